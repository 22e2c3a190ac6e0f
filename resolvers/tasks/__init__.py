"""What workers do by themselves: planning it, leasing it, and doing it."""
