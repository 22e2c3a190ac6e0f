"""Billing snapshots: taking them for a month, asking them again, and comparing them with what is known now."""
