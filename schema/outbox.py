"""The outbox: what was said by e-mail, as those see it who run the program; and trying again what was given up."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from models.errors import NotAllowed
from models.outbox import MessageKind, MessageState
from resolvers.loaders.outbox import (
    MessageKey,
    MessageRow,
    MessagesKey,
    MessagesPage,
    message_totals,
    messages_by_key,
    messages_of,
)
from resolvers.outbox.retrying import retry
from schema.context import Info
from schema.fields import INPUT, field, given, mutation
from schema.ids import Node, decode_id, encode_id
from schema.pagination import Connection, PageAsked, connection_of, paging
from schema.programs import Program, acted, program_row
from schema.scalars import described
from schema.voucher_errors import VoucherUserError, refusals

described(MessageKind, "What a message says.")


@strawberry.type(description="An e-mail, decided with what it is about and sent after it. Its text is kept nowhere.")
class OutboxMessage(Node):
    row: strawberry.Private[MessageRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("OutboxMessage", self.row.program_id, self.row.id))

    @field("Of which program.")
    async def program(self, info: Info) -> Program:
        return Program(row=await program_row(info, self.row.program_id))

    @field("What it says.")
    def kind(self) -> MessageKind:
        return self.row.kind

    @field("What became of it.")
    def state(self) -> MessageState:
        return self.row.state

    @field("The address that it goes to.")
    def recipient(self) -> str:
        return self.row.recipient

    @field("When it was decided.")
    def made_at(self) -> dt.datetime:
        return self.row.made_at

    @field("When it is tried, or tried again; null once it has ended.")
    def due_at(self) -> dt.datetime | None:
        return None if self.row.ended_at else self.row.due_at

    @field("How often it was tried.")
    def attempts(self) -> int:
        return self.row.attempts

    @field("Why it could not be sent the last time, in the mail server's words; null if it could, or was not tried.")
    def failure(self) -> str | None:
        return self.row.failure

    @field("When it was sent, given up or withdrawn, or its bounce was told; null before.")
    def ended_at(self) -> dt.datetime | None:
        return self.row.ended_at


async def message_by_key(info: Info, key: MessageKey) -> OutboxMessage | None:
    """The message, for who runs the program; None for anybody else."""
    if not info.context.principal.runs(key.program_id):
        return None
    rows: list[MessageRow] = await info.context.loaders.rows(messages_by_key).load(key)
    return OutboxMessage(row=rows[0]) if rows else None


async def program_messages(
    info: Info, program_id: int, states: list[MessageState] | None, page: PageAsked
) -> Connection[OutboxMessage]:
    """Whom a program wrote to is known to who runs it alone: to organizations their invitations say what they need."""
    if not info.context.principal.runs(program_id):
        raise NotAllowed("Only the program's administrators and staff may see its messages.")
    chosen, key = given(states), MessagesKey(program_id)
    named = None if chosen is None else tuple(sorted(set(chosen), key=lambda state: state.name))
    wanted = paging(("messages", program_id, named), *page, int)
    beyond = wanted.beyond[0] if wanted.beyond else None
    loaders, asked = info.context.loaders, MessagesPage(wanted.limit, wanted.backward, beyond)
    rows: list[MessageRow] = await loaders.rows(messages_of, named, asked).load(key)

    async def total() -> int:
        return await loaders.values(message_totals, named).load(key)

    return connection_of([(OutboxMessage(row=row), (row.id,)) for row in rows], wanted, total)


# ---------------------------------------------------------------------------------------------- mutations


@strawberry.input
class MessageRetryInput:
    message: strawberry.ID = strawberry.field(description="A message that was given up.")


@strawberry.type
class MessageRetryPayload:
    message: OutboxMessage | None = strawberry.field(
        default=None, description="The message as it is now; null if it was refused."
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class OutboxMutation:
    @mutation(
        "Try to send again what was given up; while it waits, asking again changes nothing. For who runs the program.",
        refusals(MessageRetryPayload),
    )
    async def message_retry(self, info: Info, input: Annotated[MessageRetryInput, INPUT]) -> MessageRetryPayload:
        key = MessageKey(*decode_id(input.message, "OutboxMessage", 2, "message"))
        await acted(info, key.program_id, lambda act: retry(act, key.message_id))
        return MessageRetryPayload(message=await message_by_key(info, key))
