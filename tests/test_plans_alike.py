"""Whoever runs a document, a plan or graphql-core alone, the answer is the same, byte for byte."""

from __future__ import annotations

from random import Random

import pytest

from graphiql.operations import load_operations
from schema.root import schema
from tests.alike import alike
from tests.asking import STAFF
from tests.conftest import is_thorough
from tests.differing import COMPILED, Comparison, told
from tests.everything import Everything
from tests.generated_documents import Written, write
from tests.meaningful_values import pool_of

DOCUMENTS, DOCUMENTS_IF_THOROUGH = 80, 10_000
# The others: somebody may not see it, an id of another kind, variables that do not fit.
LEAST_COMPILED = 0.4


async def test_a_plan_answers_as_graphql_core_does(everything: Everything, capsys: pytest.CaptureFixture[str]) -> None:
    pool, comparison = await pool_of(everything.database), Comparison(everything.database)
    for seed in range(documents()):
        dice = Random(seed)
        # Half of them are asked by staff, who see the most.
        who = dice.choice([*["staff"] * len(everything.principals), *everything.principals])
        difference = await comparison.difference(write(schema._schema, pool, dice), everything.principals[who])
        assert difference is None, f"seed {seed}, asked by {who}:\n{difference}"
    if is_thorough():
        with capsys.disabled():
            print(f"\n{everything.database.dialect}: {comparison.ran.most_common(16)}")
    assert comparison.ran[COMPILED] > LEAST_COMPILED * comparison.ran.total()


@pytest.mark.parametrize("name", ["BillingSnapshotRun", "BillingExclusionSet"])
async def test_a_mutation_is_left_to_graphql_core(everything_in_sqlite: Everything, name: str) -> None:
    """Both as they are offered: as dry runs."""
    (offered,) = [operation for operation in load_operations() if operation.name == name]
    asked, database = Written(query=offered.query, variables=dict(offered.variables)), everything_in_sqlite.database
    by_plan, by_graphql_core = [
        await told(database.reading, database.run, asked, STAFF, compiled=compiled) for compiled in (True, False)
    ]
    assert by_plan.ran.startswith("graphql-core: ")
    assert alike(by_plan.content, by_graphql_core.content)


def documents() -> int:
    return DOCUMENTS_IF_THOROUGH if is_thorough() else DOCUMENTS
