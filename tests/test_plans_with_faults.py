"""Whatever goes wrong under a plan, the answer is graphql-core's own, and nothing that was read is read again."""

from __future__ import annotations

import json
from random import Random

import orjson
from structlog.testing import capture_logs

from graphiql.operations import load_operations
from resolvers.principal import Principal
from schema.execution.documents import OperationContext
from schema.root import schema
from server.database import Database
from tests.alike import alike
from tests.asking import STAFF
from tests.conftest import is_thorough
from tests.differing import Told, told
from tests.everything import Everything
from tests.faulty import Fault, FaultyLoaders, Kind, Seen
from tests.generated_documents import Written, write
from tests.meaningful_values import Pool, pool_of

FAULTS, FAULTS_IF_THOROUGH = 60, 3_000
OFFERED = [
    Written(query=one.query, variables=dict(one.variables))
    for one in load_operations()
    if "mutation" not in one.query.split("(")[0] and '""' not in json.dumps(one.variables)
]


def how_many() -> int:
    return FAULTS_IF_THOROUGH if is_thorough() else FAULTS


async def asked(
    database: Database, written: Written, *, compiled: bool, fault: Fault | None = None, who: Principal = STAFF
) -> tuple[Told, Seen]:
    loaders = FaultyLoaders(database.reading, fault)

    def prepare(context: OperationContext) -> None:
        context.loaders = loaders

    with capture_logs() as logged:
        answer = await told(database.reading, database.run, written, who, compiled=compiled, prepare=prepare)
    # Each error once, whoever met it first.
    assert len(logged) == len(orjson.loads(answer.content).get("errors", ())), logged
    return answer, loaders.seen


async def test_what_a_batch_reads_wrongly_is_told_as_graphql_core_tells_it(everything: Everything) -> None:
    database, pool, tried = everything.database, await pool_of(everything.database), 0
    dice = Random(0)
    while tried < how_many():
        written = _document(pool, dice)
        _, seen = await asked(database, written, compiled=False)
        for fault in _faults(seen, dice):
            await _is_told_alike(database, written, fault)
            tried += 1


def _document(pool: Pool, dice: Random) -> Written:
    return dice.choice(OFFERED) if dice.random() < 0.4 else write(schema._schema, pool, dice)


def _faults(seen: Seen, dice: Random) -> list[Fault]:
    """Three of those that what was read may have."""
    places = sorted((batch, column) for batch, columns in seen.columns.items() for column in columns if column)
    chosen = dice.sample(places, min(3, len(places)))
    return [Fault(batch, column, dice.choice(list(Kind))) for batch, column in chosen]


async def _is_told_alike(database: Database, written: Written, fault: Fault) -> None:
    by_plan, read = await asked(database, written, compiled=True, fault=fault)
    by_graphql_core, _ = await asked(database, written, compiled=False, fault=fault)
    shown = f"{fault}\n{written.query}\n{written.variables}\n{by_plan.ran}"
    assert alike(by_plan.content, by_graphql_core.content), (
        f"{shown}\n{by_plan.content.decode()}\n{by_graphql_core.content.decode()}"
    )
    # A batch that failed is remembered by nobody.
    assert isinstance(fault.kind.value, Exception) or read.repeated == [], shown
