"""What the system does: steps that load, decide by the rules of `models`, and write."""
