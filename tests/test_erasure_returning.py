"""Who was erased and comes again: no row, file or mutation gives them their name back."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import HistoryError, HistoryErrorCode, RosterError, RosterErrorCode
from resolvers.history import Activation, On, PersonalData, Transfer, Who, activate, transfer
from resolvers.roster.batches import BatchRow
from resolvers.roster.reading import Reading
from resolvers.roster.report import refusals
from server.database import Database
from server.import_roster import ImportOptions, import_file
from tests.builders import STAFF, organization
from tests.erasing import EMAIL, EXTERNAL_ID, NAME, ROW, has_traces, imported, named_learner, rows_with_traces


async def test_a_row_about_somebody_who_was_erased_is_refused_by_its_line_and_the_others_land(
    database: Database,
) -> None:
    named = await named_learner(database)
    await named.erased()
    bob = BatchRow(number=2, team="Sales", external_id="RIM-2", name="Bob", activated_on="2017-09-01")
    outcome = await named.imported(ROW, bob)
    assert (outcome.landed, outcome.refused) == (1, 1)
    (refusal,) = outcome.refusals
    assert (refusal.line, refusal.column) == (1, "external_id")
    assert "was erased" in refusal.problem
    assert "new external id" in refusal.mend
    assert await named.imported(ROW, bob) == outcome, "sent again it is answered alike"
    assert await rows_with_traces(database) == []


async def test_a_file_s_line_about_somebody_who_was_erased_is_in_its_report_without_their_data(
    database: Database, tmp_path: Path
) -> None:
    named = await named_learner(database)
    await named.erased()
    path = tmp_path / "roster.csv"
    path.write_text(f"{HEADER}\nSales,{EXTERNAL_ID},{NAME},{EMAIL},2017-08-01,\nSales,RIM-2,Bob,,2017-09-01,\n")
    options = ImportOptions(reading=Reading(organization="rim-works"))
    summary = await import_file(database, path, STAFF, named.tenant.tick(), options)
    assert (summary.lines_read, summary.rows_landed, summary.rows_refused) == (3, 1, 1)
    async with database.reading() as connection:
        (refusal,) = await refusals(connection, summary.import_id)
    assert (refusal.line, refusal.column) == (2, "external_id")
    assert await rows_with_traces(database) == []
    whole = replace(options, complete_from=dt.date(2018, 1, 1))
    with pytest.raises(RosterError) as refused:
        await import_file(database, path, STAFF, named.tenant.tick(), whole)
    assert refused.value.code is RosterErrorCode.NOT_COMPLETE


HEADER = "team,external_id,name,email,activated_on,deactivated_on"


async def test_a_new_external_id_is_somebody_else_and_a_pseudonym_is_nobody(database: Database) -> None:
    named = await named_learner(database)
    await named.erased()
    stands_for_it = (await named.profile()).external_id
    new = BatchRow(number=1, team="Sales", external_id="RIM-90000", name="Ann", activated_on="2017-09-01")
    pseudonym = BatchRow(number=2, team="Sales", external_id=stands_for_it, name="Ann", activated_on="2017-09-01")
    outcome = await named.imported(new, pseudonym)
    assert (outcome.landed, [refusal.line for refusal in outcome.refusals]) == (1, [2])
    assert (await named.profile()).name == ""


async def test_an_import_says_nothing_about_erasures_where_there_are_none(database: Database) -> None:
    named = await named_learner(database)
    other = await organization(database)
    await named.erased()
    assert (await imported(other, ROW, import_id="first")).landed == 1


@pytest.mark.parametrize("by", ["external id", "id"])
async def test_no_mutation_gives_an_erased_person_a_name_again(database: Database, by: str) -> None:
    named = await named_learner(database)
    await named.erased()
    tenant = named.tenant
    who = named.who if by == "id" else Who(organization_id=tenant.id, external_id=f" {EXTERNAL_ID} ")
    start = On(dt.date(2019, 1, 1))
    activation = Activation(who=who, start=start, personal=PersonalData(name=NAME))
    with pytest.raises(HistoryError) as refused:
        await named.billed.run(lambda s, now: activate(s, STAFF, now, activation))
    assert refused.value.code is HistoryErrorCode.ERASED
    assert not has_traces(refused.value.message)
    moved = Transfer(who=who, to_organization_id=(await organization(database)).id, start=start)
    with pytest.raises(HistoryError) as refused:
        await named.billed.run(lambda s, now: transfer(s, STAFF, now, moved))
    assert refused.value.code is HistoryErrorCode.ERASED
    assert await rows_with_traces(database) == []


async def test_a_learner_without_a_name_can_still_be_deactivated_and_activated_by_id(database: Database) -> None:
    named = await named_learner(database)
    await named.erased()
    await named.tenant.deactivated(named.learner_id, "2018-01-31")
    again = Activation(who=named.who, start=On(dt.date(2019, 1, 1)))
    await named.billed.run(lambda s, now: activate(s, STAFF, now, again))
    assert await named.tenant.windows(named.learner_id) == ["2017-08-01..2018-01-31", "2019-01-01.."]
