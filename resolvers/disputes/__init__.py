"""Disputes: opening, working on and resolving them."""
