"""Which texts name a person, and that the database lets such a text be erased and nothing else be changed."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from models.erasure import ERASED, Person, is_named_in
from models.events import Deed, Event
from server.database import Database
from tests.erasing import BECAUSE, EMAIL, EXTERNAL_ID, NAME, named_everywhere, named_learner, said

CELEBRATED = Person.of([NAME], [EMAIL, EXTERNAL_ID])


@pytest.mark.parametrize(
    "said",
    [
        "Priyanka Vandermeer left",
        "PRIYANKA\n  VANDERMEER left",
        "Vandermeer, Priyanka: left",
        "Priyanka K. Vandermeer",
        "(p.vandermeer@RIM.example)",
        "see RIM-77341.",
        "Ｐriyanka Vandermeer in other letters",
    ],
)
def test_a_text_names_somebody_in_any_case_and_order(said: str) -> None:
    assert is_named_in(CELEBRATED, said)


@pytest.mark.parametrize(
    "said", ["", "Priyanka left", "RIM-773412", "xp.vandermeer@rim.example", "Priyankas Vandermeer"]
)
def test_a_part_of_a_word_names_nobody(said: str) -> None:
    assert not is_named_in(CELEBRATED, said)


def test_a_name_in_a_script_without_spaces_is_found_within_a_text() -> None:
    assert is_named_in(Person.of(["王小明"], []), "上周王小明离职")
    assert not is_named_in(Person.of(["", " "], [""]), "anything")


async def test_other_names_that_texts_use_are_given_with_the_preview(database: Database) -> None:
    named = await named_learner(database)
    await said(named, "Miss Dekker left")
    await named.erased(BECAUSE, "Dekker")
    async with database.reading() as connection:
        texts = (await connection.execute(select(Event.said).where(Event.deed == Deed.MESSAGE_SENT))).scalars().all()
    assert texts == [ERASED]


async def test_texts_about_others_stay_as_they_were_written(database: Database) -> None:
    named = await named_learner(database)
    await said(named, "Priya left, and so did three others")
    await named.erased()
    async with database.reading() as connection:
        texts = (await connection.execute(select(Event.said).where(Event.deed == Deed.MESSAGE_SENT))).scalars().all()
    assert texts == ["Priya left, and so did three others"]


REWORDED = ("act", "reason"), ("event", "said"), ("adjustment", "reason"), ("credit_note", "reason")
CHANGES = [
    *(
        f"UPDATE {table} SET {column} = {value}"
        for table, column in (*REWORDED, ("invoice_line", "approval_reason"))
        for value in ("'reworded'", "''", "NULL")
    ),
    *(f"UPDATE {table} SET actor = '{ERASED}'" for table, _ in (*REWORDED, ("erasure", ""))),
    f"UPDATE invoice_line SET approved_by = '{ERASED}'",
    f"UPDATE event SET said = '{ERASED}', before = '{ERASED}'",
    f"UPDATE evidence_file SET content = '{ERASED}'",
    "DELETE FROM erasure",
    "DELETE FROM invoice_line",
]


async def test_the_database_lets_a_text_be_erased_and_nothing_else_be_changed(database: Database) -> None:
    named = await named_everywhere(database)
    await named.erased()
    for change in CHANGES:
        with pytest.raises(DBAPIError, match="append-only"):
            await database.run(partial(AsyncSession.execute, statement=text(change)))
