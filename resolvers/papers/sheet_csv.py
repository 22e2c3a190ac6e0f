"""A pack as CSV: what it says of itself, then one table, of which the first column names the part."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from resolvers.evidence.contents import PackContents, PackCorrection, PackEntry, PackMove, PackPerson
from resolvers.papers import words
from resolvers.spreadsheets import BYTE_ORDER_MARK, as_csv

CHUNK_ROWS = 1_000
PERSON = ("subject", "name", "email", "external_id", "department")
HEADER = (
    *("part", "no", *PERSON),
    *("activated_at", "deactivated_at", "activated_on", "deactivated_on", "last_active_on", "certain"),
    *("movement", "cause", "at", "on", "recorded_at", "actor", "reason"),
)
ABOUT_PARTS = (
    "counted: who was counted, in the order of the seal; bridge: who made the difference to the count when the pack "
    "was built; correction: whom later records would have counted otherwise"
)


def csv_of(contents: PackContents) -> Iterator[str]:
    """The text of the file, some rows at a time; its last line says that it is whole."""
    facts = [*words.facts(contents), *words.proof(contents), ("Parts", ABOUT_PARTS)]
    yield BYTE_ORDER_MARK + as_csv([*facts, HEADER])
    rows = _rows(contents)
    while chunk := list(islice(rows, CHUNK_ROWS)):
        yield as_csv(chunk)
    count = len(contents.entries) + len(contents.moves) + len(contents.corrections)
    yield as_csv([words.end(count)])


def _rows(contents: PackContents) -> Iterator[tuple[str, ...]]:
    yield from (("counted", str(n), *_entry(one)) for n, one in enumerate(contents.entries, 1))
    yield from (("bridge", str(n), *_move(one)) for n, one in enumerate(contents.moves, 1))
    yield from (("correction", str(n), *_correction(one)) for n, one in enumerate(contents.corrections, 1))


def person_cells(person: PackPerson) -> tuple[str, str, str, str, str]:
    return (person.subject, words.named(person), person.email, person.external_id, person.department)


def _entry(entry: PackEntry) -> tuple[str, ...]:
    days = (entry.activated_on, entry.deactivated_on, entry.last_active_on)
    return (
        *person_cells(entry.person),
        *(words.instant(entry.activated_at), words.instant(entry.deactivated_at)),
        *map(words.day, days),
        "yes" if entry.certain else "possible",
        *("",) * 7,
    )


def _move(move: PackMove) -> tuple[str, ...]:
    return (
        *person_cells(move.person),
        *("",) * 6,
        *(move.movement, move.cause, words.instant(move.at), words.day(move.on)),
        *(words.instant(move.recorded_at), move.actor, move.reason),
    )


def _correction(one: PackCorrection) -> tuple[str, ...]:
    return (
        *person_cells(one.person),
        *("",) * 6,
        *(one.difference, "correction", "", "", words.instant(one.recorded_at), one.actor, one.reason),
    )
