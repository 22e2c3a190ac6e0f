"""What is true: tables and pure rules. Importing this names every table in the metadata."""

from models import (
    access,
    activity,
    billing,
    contracts,
    disputes,
    erasure,
    events,
    evidence,
    history,
    invoices,
    learners,
    organizations,
    roster,
    work,
)

__all__ = [
    "access",
    "activity",
    "billing",
    "contracts",
    "disputes",
    "erasure",
    "events",
    "evidence",
    "history",
    "invoices",
    "learners",
    "organizations",
    "roster",
    "work",
]
