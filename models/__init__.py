"""What is true: tables and pure rules. Importing this names every table in the metadata."""

from models import access, activity, history, learners, organizations, roster

__all__ = ["access", "activity", "history", "learners", "organizations", "roster"]
