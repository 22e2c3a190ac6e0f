"""Contents of evidence packs, made up: the Xtra Lease story, and what may be otherwise in others."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from models.billing import SnapshotKind
from models.contracts import Measure
from models.interval import UTC
from models.money import Money
from resolvers.evidence.contents import (
    PackBill,
    PackContents,
    PackCorrection,
    PackDay,
    PackEntry,
    PackMove,
    PackPerson,
    PackTerm,
)

DATE = dt.date(2017, 9, 1)
CUTOFF = dt.datetime(2017, 9, 1, 5, tzinfo=UTC)
BUILT_AT = dt.datetime(2017, 10, 20, 14, 3, 7, 123456, tzinfo=UTC)
PRICE = Money(12_50, "USD")
TERM = PackTerm(since=dt.date(2017, 1, 1), through=dt.date(2017, 12, 31), licensed=400, unit_price=PRICE)
FIRST_NAMES = ("Ada", "Björn", "Chiara", "Dmitri", "Esperança", "François", "Grace", "Hồng", "Ingrid", "José", "Kaito")
LAST_NAMES = ("Almeida", "Brown", "Castañeda", "Dvořák", "Eriksen", "Fischer", "Grabowski", "Hughes", "Ivanova", "Roy")
DEPARTMENTS = ("Fleet", "Leasing", "Claims", "Shop 14")


def person(number: int, name: str = "") -> PackPerson:
    first, last = FIRST_NAMES[number % 11], LAST_NAMES[number // 11 % 10]
    return PackPerson(
        subject=f"TGVhcm5lcjoxOjE{number:05d}",
        name=name or f"{first} {last}",
        email=f"learner{number}@xtra-lease.example",
        external_id=f"XL-{number:04d}",
        department=DEPARTMENTS[number % 4],
    )


def erased(number: int) -> PackPerson:
    return PackPerson(subject=person(number).subject)


def entry(number: int, *, certain: bool = True, who: PackPerson | None = None) -> PackEntry:
    """Active since a day of the spring; every seventh until a day of September."""
    since = CUTOFF - dt.timedelta(days=31 + number % 90)
    until = CUTOFF + dt.timedelta(days=5 + number % 40) if number % 7 == 0 else None
    return PackEntry(
        person=who or person(number),
        activated_at=since if certain else None,
        deactivated_at=until,
        activated_on=since.date() if certain else None,
        deactivated_on=until.date() if until else None,
        last_active_on=until.date() - dt.timedelta(days=1) if until else None,
        certain=certain,
    )


def move(number: int, movement: str, cause: str, reason: str = "") -> PackMove:
    at = CUTOFF + dt.timedelta(days=2 + number % 45)
    return PackMove(
        person=person(number),
        movement=movement,
        cause=cause,
        at=at,
        on=at.date(),
        recorded_at=at + dt.timedelta(hours=9),
        actor="roster import",
        reason=reason,
    )


def correction(number: int, difference: str = "removed") -> PackCorrection:
    return PackCorrection(
        person=person(number),
        difference=difference,
        recorded_at=CUTOFF + dt.timedelta(days=19, hours=10),
        actor="Sam of support",
        reason="Left on 2017-08-30, as the client's payroll shows",
    )


def bill(quantity: int, *, kind: str = "OVERAGE", credited: int = 0) -> PackBill:
    return PackBill(
        invoice="2017-0091",
        state="ISSUED",
        kind=kind,
        quantity=quantity,
        unit_price=PRICE,
        total=PRICE * quantity,
        credited=credited,
    )


def days(count: int = 80, *, uncertain: int = 0) -> tuple[PackDay, ...]:
    """From five weeks before the date on, some coming and going."""
    first = DATE - dt.timedelta(days=35)
    levels = [403 - (n - 35) ** 2 // (40 if n < 35 else 140) + n * 7 % 3 - (35 * 7) % 3 for n in range(count)]
    return tuple(PackDay(first + dt.timedelta(days=n), level - uncertain, level) for n, level in enumerate(levels))


def story() -> PackContents:
    """403 were counted where 400 are licensed; 391 are active seven weeks later."""
    return PackContents(
        pack_id="RXZpZGVuY2VQYWNrOjEwNTg4MDY4NzIxNDY5MzM4Mzg6MTAzNDE2OTAxNjMyMDAwMDAwMA",
        built_at=BUILT_AT,
        built_by="Sam of support",
        organization="Xtra Lease",
        organization_slug="xtra-lease",
        product="seats",
        kind=SnapshotKind.BILLING,
        date=DATE,
        zone="America/Chicago",
        cutoff=CUTOFF,
        measure=Measure.AT_CUTOFF,
        question="Active at 2017-09-01 00:00 (America/Chicago), Xtra Lease",
        recorded_at=CUTOFF + dt.timedelta(minutes=7),
        known_at=CUTOFF + dt.timedelta(minutes=7),
        count_least=403,
        count_most=403,
        excluded=2,
        term=TERM,
        overage_least=3,
        overage_most=3,
        bills=(bill(3, credited=1),),
        entries=tuple(entry(n) for n in range(403)),
        opening=(403, 403),
        closing=(391, 391),
        closing_at=BUILT_AT,
        moves=(
            *(move(500 + n, "joined", "activation") for n in range(14)),
            *(move(520 + n, "joined", "transfer", "Moved from Xtra Trailers") for n in range(2)),
            *(move(7 * n, "left", "deactivation") for n in range(25)),
            *(move(200 + n, "left", "exclusion", "A test account") for n in range(2)),
            move(211, "left", "correction", "Left on 2017-08-30, as the client's payroll shows"),
            move(530, "passed", "activation"),
        ),
        corrections=(correction(211),),
        days=days(),
        root="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        checkpoint_number=57,
        checkpoint_digest="60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        key_id="fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13",
    )


def bounded() -> PackContents:
    """The twin: two of the 403 have lost their dates."""
    return replace(
        story(),
        count_least=401,
        overage_least=1,
        bills=(bill(1),),
        entries=tuple(entry(n, certain=n not in (17, 230)) for n in range(403)),
        opening=(401, 403),
        closing=(389, 391),
        moves=(*story().moves, move(17, "uncertain", ""), move(230, "uncertain", "")),
        days=days(uncertain=2),
    )


def small() -> PackContents:
    """Three people of a library without a term, of whom nothing is known since."""
    return replace(
        story(),
        organization="Ω & Söhne",
        organization_slug="o-soehne",
        product="Élite Library, 2nd edition",
        question="Had access to Élite Library at 2017-09-01 00:00 (America/Chicago), Ω & Söhne",
        count_least=3,
        count_most=3,
        excluded=0,
        term=None,
        overage_least=None,
        overage_most=None,
        bills=(),
        entries=tuple(entry(n) for n in range(3)),
        opening=(3, 3),
        closing=(3, 3),
        moves=(),
        corrections=(),
        days=(),
    )


def with_names(*names: str) -> PackContents:
    """As many people as names, each as it is given; an empty one was erased."""
    who = [person(n, name) if name else erased(n) for n, name in enumerate(names)]
    entries = tuple(entry(n, who=one) for n, one in enumerate(who))
    return replace(small(), entries=entries, count_least=len(names), count_most=len(names))


def large(count: int) -> PackContents:
    return replace(story(), entries=tuple(entry(n) for n in range(count)), count_least=count, count_most=count)
