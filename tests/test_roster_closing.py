"""A roster that is complete for its teams closes who is absent, once that was previewed and confirmed."""

from __future__ import annotations

import datetime as dt

import pytest

from models.errors import RosterError, RosterErrorCode
from resolvers.roster.deriving import LEARNERS_A_CHUNK
from tests.importing import Roster
from tests.test_statements import reads, statements


async def test_a_complete_roster_previews_whom_it_closes_and_closes_only_when_confirmed(roster: Roster) -> None:
    everybody = (
        "Blue,1,2017-03-01,",
        "Blue,2,2017-03-01,2017-12-01",
        "Blue,3,2017-03-01,2017-06-01",
        "Red,4,2017-03-01,",
    )
    await roster.imports(*everybody)
    complete_from = dt.date(2017, 9, 1)
    previewed = await roster.imports("Blue,5,2017-03-01,", complete_from=complete_from)
    assert previewed.closings is not None
    assert [(row.team, row.external_id) for row in previewed.closings.first] == [("Blue", "1"), ("Blue", "2")]
    assert (previewed.closings.count, previewed.closed) == (2, 0)
    assert await roster.windows("1") == ["2017-03-01.."]
    done = await roster.imports("Blue,5,2017-03-01,", complete_from=complete_from, confirmed=previewed.closings.digest)
    assert done.closed == 2
    assert await roster.windows("1") == await roster.windows("2", "Blue") == ["2017-03-01..2017-08-31"]
    assert await roster.windows("3") == ["2017-03-01..2017-05-31"]
    assert await roster.windows("4") == ["2017-03-01.."]


async def test_who_was_closed_as_absent_is_active_again_when_a_roster_says_so(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,", "Blue,2,2017-03-01,")
    how = {"complete_from": dt.date(2017, 9, 1)}
    previewed = await roster.imports("Blue,2,2017-03-01,", **how)
    assert previewed.closings is not None
    await roster.imports("Blue,2,2017-03-01,", **how, confirmed=previewed.closings.digest)
    assert await roster.windows("1") == ["2017-03-01..2017-08-31"]
    await roster.imports("Blue,1,2017-03-01,")
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_a_preview_that_is_out_of_date_closes_nobody(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,", "Blue,2,2017-03-01,")
    how = {"complete_from": dt.date(2017, 9, 1)}
    previewed = await roster.imports("Blue,2,2017-03-01,", **how)
    assert previewed.closings is not None
    await roster.imports("Blue,3,2017-03-01,")
    with pytest.raises(RosterError) as changed:
        await roster.imports("Blue,2,2017-03-01,", **how, confirmed=previewed.closings.digest)
    assert changed.value.code is RosterErrorCode.PREVIEW_CHANGED
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_a_roster_with_refused_lines_is_not_complete(roster: Roster) -> None:
    with pytest.raises(RosterError) as refused:
        await roster.imports("Blue,1,2017-02-30,", "Blue,2,2017-03-01,", complete_from=dt.date(2017, 9, 1))
    assert refused.value.code is RosterErrorCode.NOT_COMPLETE
    assert await roster.windows("2") == ["2017-03-01.."]


async def test_how_often_it_is_read_who_is_absent_does_not_grow_with_their_number(roster: Roster) -> None:
    """Each of these reads the lines of everybody: once a chunk would be quadratic."""
    everybody = [f"Blue,{number},2017-03-01," for number in range(2 * LEARNERS_A_CHUNK + 2)]
    await roster.imports(*everybody)
    few, many = [await _reads_to_close(roster, *kept) for kept in (everybody[:-1], everybody[:1])]
    assert few == many > 0
    assert await roster.windows("1") == await roster.windows(str(2 * LEARNERS_A_CHUNK)) == ["2017-03-01..2017-08-31"]


async def _reads_to_close(roster: Roster, *kept: str) -> int:
    """How often who is absent is read while everybody but these is closed."""
    how = {"complete_from": dt.date(2017, 9, 1)}
    previewed = await roster.imports(*kept, **how)
    assert previewed.closings is not None
    with statements() as ran:
        done = await roster.imports(*kept, **how, confirmed=previewed.closings.digest)
    assert done.closed == previewed.closings.count
    return sum("EXISTS (SELECT * \nFROM matched_line" in one.sql for one in reads(ran))
