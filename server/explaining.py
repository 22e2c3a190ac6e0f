"""How an operation was answered, for staff who ask: what ran it, by which plan, and each statement with its time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from time import perf_counter

from starlette.requests import Request

from resolvers.principal import Principal
from resolvers.watching import watched
from schema.execution.answers import Answer
from schema.execution.documents import OperationContext

HEADER = "x-countersign-explain"


def is_to_explain(request: Request, principal: Principal) -> bool:
    """Statements name tables, and their times tell what is there: that is for staff alone."""
    return principal.is_staff and request.headers.get(HEADER) == "1"


async def explained(context: OperationContext, answering: Awaitable[Answer], plan: Callable[[], str | None]) -> Answer:
    began = perf_counter()
    with watched() as watch:
        answer = await answering
    explain = {
        "ran": context.ran or "graphql-core",
        "plan": plan(),
        "milliseconds": round((perf_counter() - began) * 1_000, 3),
        "statementCount": len(watch.statements),
        "statements": [{**asdict(ran), "milliseconds": round(ran.milliseconds, 3)} for ran in watch.statements],
    }
    return replace(answer, extensions={**answer.extensions, "explain": explain})
