"""Invoices: drafting, challenging, issuing, paying, crediting and adjusting them, a file each."""
