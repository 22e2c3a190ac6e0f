"""A roster in batches: each row is answered once, by the sender's own number of it."""

from __future__ import annotations

import datetime as dt

import pytest

from models.access import Role
from models.errors import NotFound, RosterError, RosterErrorCode
from resolvers.principal import Principal
from resolvers.roster.batches import Batch, BatchOutcome, BatchRow, import_batch
from tests.builders import STAFF, organization
from tests.importing import Roster


def row(number: int, deactivated_on: str = "", **other: str) -> BatchRow:
    facts = {"team": "Blue", "external_id": str(number), "activated_on": "2017-03-01", **other}
    return BatchRow(number=number, deactivated_on=deactivated_on, **facts)


async def send(roster: Roster, *rows: BatchRow, import_id: str = "spring", by: Principal = STAFF) -> BatchOutcome:
    roster.now += dt.timedelta(days=1)
    batch = Batch(organization_id=roster.tenant.id, import_id=import_id, rows=rows)
    return await roster.database.run(lambda session: import_batch(session, by, roster.now, batch))


async def test_a_batch_lands_and_refuses_row_by_row(roster: Roster) -> None:
    outcome = await send(roster, row(1), row(2, "2017-02-30"), row(3, "2017-06-01"))
    assert (outcome.landed, outcome.unchanged, outcome.refused) == (2, 0, 1)
    assert [(refusal.line, refusal.column) for refusal in outcome.refusals] == [(2, "deactivated_on")]
    assert await roster.windows("3", "Blue") == ["2017-03-01..2017-05-31"]


async def test_a_batch_sent_again_is_answered_alike_and_changes_nothing(roster: Roster) -> None:
    rows = (row(1), row(2, "2017-02-30"), row(3, "2017-06-01"))
    first = await send(roster, *rows)
    before = await roster.contents()
    assert await send(roster, *rows) == first
    assert await roster.contents() == before


async def test_a_batch_that_comes_late_again_undoes_no_later_import(roster: Roster) -> None:
    await send(roster, row(1))
    await send(roster, row(1, "2017-06-01"), import_id="summer")
    await send(roster, row(1))
    assert await roster.windows("1") == ["2017-03-01..2017-05-31"]


async def test_a_refused_row_can_be_mended_and_sent_under_its_number(roster: Roster) -> None:
    await send(roster, row(2, "2017-02-30"))
    outcome = await send(roster, row(2, "2017-04-30"))
    assert (outcome.landed, outcome.refused) == (1, 0)
    assert (await roster.contents())["roster_refusal"] == []


async def test_a_number_that_stands_for_a_recorded_row_takes_no_other(roster: Roster) -> None:
    await send(roster, row(1))
    outcome = await send(roster, row(1, "2017-06-01"))
    assert (outcome.landed, outcome.unchanged, outcome.refused) == (0, 0, 1)
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_an_import_id_is_the_sender_s_own(roster: Roster) -> None:
    other = Roster(roster.database, roster.folder, await organization(roster.database))
    assert (await send(roster, row(1))).landed == 1
    assert (await send(other, row(1))).landed == 1


async def test_an_organization_imports_nothing_into_another(roster: Roster) -> None:
    other = await organization(roster.database)
    client = Principal(name="Client", role=Role.ORGANIZATION, organization_id=other.id)
    with pytest.raises(NotFound):
        await send(roster, row(1), by=client)


@pytest.mark.parametrize(
    ("rows", "import_id", "code"),
    [
        ((), "spring", RosterErrorCode.BATCH_TOO_LARGE),
        (tuple(row(n) for n in range(1, 252)), "spring", RosterErrorCode.BATCH_TOO_LARGE),
        ((row(1), row(1)), "spring", RosterErrorCode.ROW_NUMBER_TAKEN),
        ((row(0),), "spring", RosterErrorCode.ROW_NUMBER_TAKEN),
        ((row(1),), "", RosterErrorCode.BAD_IMPORT_ID),
    ],
)
async def test_a_batch_that_is_none_is_refused(
    roster: Roster, rows: tuple[BatchRow, ...], import_id: str, code: RosterErrorCode
) -> None:
    with pytest.raises(RosterError) as refused:
        await send(roster, *rows, import_id=import_id)
    assert refused.value.code is code
