"""Roster imports: lines are read, staged, and folded into history organization by organization."""
