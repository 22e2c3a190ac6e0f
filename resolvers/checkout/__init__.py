"""Completing a cart: frozen as its person saw it, paid outside any transaction, then captured with its order."""
