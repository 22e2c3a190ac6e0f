"""Erasing a person: first shown, then done; and knowing them again without knowing who they were."""
