"""What became of messages, as lists of them are asked for."""

from __future__ import annotations

from typing import Annotated

import strawberry

from models.outbox import MessageState
from schema.scalars import described

described(MessageState, "What became of a message.")

MessageStates = Annotated[
    list[MessageState] | None, strawberry.argument(description="Only those of which one of these became.")
]
