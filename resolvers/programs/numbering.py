"""Numbers by which people call an order or a statement of a program."""

from __future__ import annotations

import secrets

from sqlalchemy import Column, select

from models.codes import SYMBOLS
from resolvers.database import Outrun
from resolvers.programs.acting import ProgramAct

NUMBER_SYMBOLS = 6


async def free_number(act: ProgramAct, prefix: str, column: Column[str]) -> str:
    """A number that nobody can guess the next of; should it be taken, the step is tried again with another."""
    number = f"{prefix}-" + "".join(secrets.choice(SYMBOLS) for _ in range(NUMBER_SYMBOLS))
    taken = select(column).where(column.table.c.program_id == act.program_id, column == number)
    if (await act.session.execute(taken)).first():
        raise Outrun
    return number
