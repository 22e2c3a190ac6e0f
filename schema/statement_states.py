"""Where statements stand, as lists of them are asked for."""

from __future__ import annotations

from typing import Annotated

import strawberry

from models.statements import StatementState
from schema.scalars import described

described(StatementState, "Where a statement stands.")

WhichStatements = Annotated[
    list[StatementState] | None, strawberry.argument(description="Only those in one of these states.")
]
