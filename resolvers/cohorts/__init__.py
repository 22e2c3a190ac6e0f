"""Cohorts: people found by what is known of them, to whom vouchers are assigned all at once, or by themselves."""
