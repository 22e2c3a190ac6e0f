"""How people read the five questions: their labels, what each is asked of, and its name in addresses. Nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class AskedOf(Enum):
    """What a question is asked of, by the name of its fields in a form and in an address."""

    RANGE = ("from", "through")
    CUTOFF = ("cutoffOf",)
    INSTANT = ("at",)

    @property
    def fields(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self.value
        return names


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to ask one of the five questions."""

    key: str
    label: str
    # The question's name in the domain, and in the address of an export.
    question: str
    # Its field of ActivityFilter.
    argument: str
    asked_of: AskedOf


CHOICES = (
    Choice("ACTIVE_DURING", "Active within date range", "ACTIVE_DURING", "activeDuring", AskedOf.RANGE),
    Choice("ACTIVE_AT_CUTOFF", "Active at the billing cutoff of", "ACTIVE_AT", "activeAt", AskedOf.CUTOFF),
    Choice("ACTIVE_THROUGHOUT", "Active the whole range", "ACTIVE_THROUGHOUT", "activeThroughout", AskedOf.RANGE),
    Choice("ACTIVATED_WITHIN", "Became active within", "ACTIVATED_WITHIN", "activatedWithin", AskedOf.RANGE),
    Choice("DEACTIVATED_WITHIN", "Last active within", "DEACTIVATED_WITHIN", "deactivatedWithin", AskedOf.RANGE),
    Choice("ACTIVE_AT", "Active at an exact instant", "ACTIVE_AT", "activeAt", AskedOf.INSTANT),
)
CHOICE = {choice.key: choice for choice in CHOICES}
DEFAULT = CHOICES[0]

# A column of learners, and by what the list is ordered when it is.
SORTED_COLUMNS = (
    ("Name", "NAME"),
    ("E-mail", "EMAIL"),
    ("External id", "EXTERNAL_ID"),
    ("Department", "DEPARTMENT"),
)
DATE_COLUMNS = ("Activated on", "Deactivated on", "Last active on")
QUALITIES = {
    "EXACT": "both dates are known",
    "BOUNDED": "a date was lost, and is known within bounds",
    "LOST": "a date was lost",
}
