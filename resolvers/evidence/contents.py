"""What an evidence pack says, for whoever shows it: the same for every paper."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from models.billing import SnapshotKind
from models.contracts import Measure
from models.money import Money

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Listed(Protocol[T_co]):
    """A list that may be too long to hold: it is read again each time that one goes through it."""

    def __iter__(self) -> Iterator[T_co]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class FromFile(Generic[T]):
    read: Callable[[], Iterator[T]]
    size: int

    def __iter__(self) -> Iterator[T]:
        return self.read()

    def __len__(self) -> int:
        return self.size


@dataclass(frozen=True, slots=True)
class PackPerson:
    """Personal data as it was when the pack was built; all empty once it was erased."""

    # The learner's opaque id, by which the other files of the pack name the person.
    subject: str
    name: str = ""
    email: str = ""
    external_id: str = ""
    department: str = ""

    @property
    def is_erased(self) -> bool:
        return not (self.name or self.email or self.external_id or self.department)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEntry:
    """Somebody who was counted, and the window that made it so. A date that was lost, or that had not come, is None."""

    person: PackPerson
    activated_at: dt.datetime | None
    deactivated_at: dt.datetime | None
    # The local days of these instants, and the last local day touched.
    activated_on: dt.date | None
    deactivated_on: dt.date | None
    last_active_on: dt.date | None
    # False if only some completions of lost dates count this person.
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PackMove:
    """Somebody on the bridge from the snapshot's count to the count when the pack was built."""

    person: PackPerson
    # joined, left, passed (came and went in between) or uncertain.
    movement: str
    # activation, deactivation, transfer, exclusion or correction.
    cause: str
    # The instant at which it was so, and its local day.
    at: dt.datetime | None
    on: dt.date | None
    recorded_at: dt.datetime | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackCorrection:
    """Somebody whom what was recorded after the snapshot would have counted otherwise on its own date."""

    person: PackPerson
    # added, removed or changed.
    difference: str
    recorded_at: dt.datetime | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class PackDay:
    """Active at the cutoff of a day."""

    day: dt.date
    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackBill:
    """An invoice line that bills the snapshot."""

    invoice: str
    state: str
    kind: str
    quantity: int
    unit_price: Money
    total: Money
    credited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackTerm:
    """The contract term in force; `through` is its last day, None if it has not ended."""

    since: dt.date
    through: dt.date | None
    licensed: int
    unit_price: Money


@dataclass(frozen=True, kw_only=True)
class PackContents:
    pack_id: str
    built_at: dt.datetime
    built_by: str
    organization: str
    organization_slug: str
    # Seats, or the name of the library.
    product: str
    # Only a BILLING snapshot is ever billed.
    kind: SnapshotKind
    date: dt.date
    zone: str
    cutoff: dt.datetime
    measure: Measure
    # The question in words, with zone and cutoff.
    question: str
    recorded_at: dt.datetime
    known_at: dt.datetime
    count_least: int
    count_most: int
    excluded: int
    term: PackTerm | None
    overage_least: int | None
    overage_most: int | None
    bills: tuple[PackBill, ...]
    # In the order in which they are sealed.
    entries: Listed[PackEntry]
    opening: tuple[int, int]
    closing: tuple[int, int]
    closing_at: dt.datetime
    moves: Listed[PackMove]
    corrections: Listed[PackCorrection]
    days: tuple[PackDay, ...]
    root: str
    checkpoint_number: int
    checkpoint_digest: str
    key_id: str

    @cached_property
    def moved(self) -> Counter[tuple[str, str]]:
        """How many moved in which way, and why."""
        return Counter((move.movement, move.cause) for move in self.moves)
