"""Numbers by which people call an order or a statement of a program."""

from __future__ import annotations

import secrets
from functools import lru_cache

from sqlalchemy import Column, bindparam, select

from models.codes import SYMBOLS
from resolvers.database import Outrun
from resolvers.prepared import Prepared
from resolvers.programs.acting import ProgramAct

NUMBER_SYMBOLS = 6


async def free_number(act: ProgramAct, prefix: str, column: Column[str]) -> str:
    """A number that nobody can guess the next of; should it be taken, the step is tried again with another."""
    number = f"{prefix}-" + "".join(secrets.choice(SYMBOLS) for _ in range(NUMBER_SYMBOLS))
    if await _taken(column).first(act.session, {"program": act.program_id, "number": number}):
        raise Outrun
    return number


@lru_cache
def _taken(column: Column[str]) -> Prepared:
    own = (column.table.c.program_id == bindparam("program"), column == bindparam("number"))
    return Prepared(lambda: select(column).where(*own))
