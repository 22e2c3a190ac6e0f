"""Pages of learners are the same whether they are found in the list's order or from an index, after many looks."""

from __future__ import annotations

import pytest

from models.activity import Predicate
from resolvers.loaders.learner_lists import (
    LOOKED_AT_FOR_A_ROW,
    LearnerOrder,
    LearnersKey,
    LearnersPage,
    ListPart,
    Who,
    learners_of,
)
from server.database import Database
from tests.builders import Tenant, organization

USUAL, RARE = "2017-08-01..2017-08-31", "2018-01-01..2018-01-31"
FEW = 4
ROUND = LOOKED_AT_FOR_A_ROW + 10
WHO = Who(predicate=Predicate.ACTIVE_DURING)


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    """Of so many learners only the last of each round answers, further away than a page of one looks."""
    made = await organization(database)
    await made.crowd(FEW * ROUND, active=[*[USUAL] * (ROUND - 1), RARE])
    return made


def asked(tenant: Tenant, span: str) -> LearnersKey:
    question = tenant.asked(Predicate.ACTIVE_DURING, span)
    return LearnersKey(tenant.id, tenant.id, 0, question.a, question.b, tenant.known_at())


async def pages(tenant: Tenant, key: LearnersKey, page: LearnersPage) -> list[int]:
    """The learners of all pages, one after the other."""
    found, part = [], ListPart(key)
    async with tenant.database.reading() as connection:
        while rows := (await learners_of(connection, [part], WHO, page))[0]:
            found += [row.learner_id for row in rows]
            part = ListPart(key, (rows[-1].position, rows[-1].learner_id))
    return found


@pytest.mark.parametrize("order", LearnerOrder)
async def test_pages_of_the_few_who_answer_hold_each_once_and_in_order(tenant: Tenant, order: LearnerOrder) -> None:
    key = asked(tenant, RARE)
    whole = await pages(tenant, key, LearnersPage(FEW * ROUND, order))
    assert len(set(whole)) == FEW
    assert whole == sorted(whole)
    assert await pages(tenant, key, LearnersPage(1, order)) == whole
    assert await pages(tenant, key, LearnersPage(3, order, descending=True)) == whole[::-1]


async def test_lists_of_many_and_of_few_are_asked_together(tenant: Tenant) -> None:
    nobody = "2019-01-01..2019-01-31"
    keys = [asked(tenant, span) for span in (RARE, USUAL, nobody, RARE)]
    async with tenant.database.reading() as connection:
        found = await learners_of(connection, list(map(ListPart, keys)), WHO, LearnersPage(2))
    few, many, none, again = ([row.learner_id for row in rows] for rows in found)
    assert [len(few), len(many), none] == [2, 2, []]
    assert again == few
    assert few[0] > many[1]


@pytest.mark.parametrize("descending", [False, True])
async def test_pages_of_one_list_are_asked_together(tenant: Tenant, descending: bool) -> None:
    """Those that follow each other, with a gap between them, that overlap, and beyond the end: as if alone."""
    key, page = asked(tenant, USUAL), LearnersPage(3, descending=descending)
    whole = LearnersPage(FEW * ROUND, descending=descending)
    async with tenant.database.reading() as connection:
        (everybody,) = await learners_of(connection, [ListPart(key)], WHO, whole)
        begins = [None, *((row.position, row.learner_id) for row in everybody)]
        parts = [ListPart(key, begins[place]) for place in (0, 3, 4, 20, 23, 0, len(everybody) - 1, len(everybody))]
        alone = [(await learners_of(connection, [part], WHO, page))[0] for part in parts]
        together = await learners_of(connection, parts, WHO, page)
    assert [[row.learner_id for row in rows] for rows in together] == [
        [row.learner_id for row in rows] for rows in alone
    ]
    assert [len(rows) for rows in alone] == [3, 3, 3, 3, 3, 3, 1, 0]
