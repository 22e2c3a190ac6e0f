"""An act in a program: who does it, when, and with which keys; what it did is told by events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import NotFound
from models.keys import Keys
from models.program_events import ProgramDeed, ProgramEvent, ProgramThing
from models.programs import Program
from models.work import ProgramKey
from resolvers.database import Outrun
from resolvers.idempotency import digest_of, refuse_odd_key, refuse_other_input
from resolvers.prepared import add, prepared
from resolvers.principal import Principal

TOLD = ProgramEvent.__table__


@dataclass(frozen=True, slots=True)
class ProgramAct:
    """Something done in one program, in one transaction. No lock orders such acts: each guards what it changes."""

    session: AsyncSession
    program_id: int
    principal: Principal
    now: dt.datetime
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing done, as whoever does it sees it; who, when and from where are known anyway."""

    thing: ProgramThing
    thing_id: int
    deed: ProgramDeed
    # What a person wrote about it.
    said: str | None = None
    # What it was, and what it is now, in words.
    before: str | None = None
    after: str | None = None


async def begin_act(session: AsyncSession, principal: Principal, now: dt.datetime, program_id: int) -> ProgramAct:
    if await _program.first(session, {"program": program_id}) is None:
        raise NotFound("program")
    return ProgramAct(session, program_id, principal, now, Keys.scattered(now))


@prepared
def _program() -> Select[Any]:
    own = Program.__table__.c.id
    return select(own).where(own == bindparam("program"))


async def tell(act: ProgramAct, *deeds: Told) -> None:
    await tell_all(act, deeds)


async def tell_all(act: ProgramAct, deeds: Sequence[Told]) -> None:
    if deeds:
        first = act.keys.take(len(deeds))
        rows = [_row(act, first + place, deed) for place, deed in enumerate(deeds)]
        await add(act.session, TOLD, rows)


def _row(act: ProgramAct, key: int, deed: Told) -> dict[str, object]:
    return {
        "program_id": act.program_id,
        "id": key,
        "recorded_at": act.now,
        "thing": deed.thing,
        "thing_id": deed.thing_id,
        "deed": deed.deed,
        "actor": act.principal.signature,
        "origin": act.principal.origin,
        "said": deed.said,
        "before": deed.before,
        "after": deed.after,
    }


async def once_in_program(
    act: ProgramAct, key: str, mutation: str, given: object, step: Callable[[], Awaitable[int]]
) -> int:
    """The key of what `step` makes, or made when the same actor asked the same before; in this very transaction.

    Whether the principal may do it is asked before. Of two at once the primary key lets one commit; the other is tried
    again, and finds what was made.
    """
    refuse_odd_key(key)
    actor_id, digest = actor_of(act), digest_of(given)
    asked = {"program": act.program_id, "actor": actor_id, "asked_key": key}
    before = await _before.first(act.session, asked)
    if before is not None:
        known_mutation, known_digest, made_before = before
        refuse_other_input(known_mutation, known_digest, mutation, digest)
        return int(made_before)
    made = await step()
    row = {"program_id": act.program_id, "actor_id": actor_id, "key": key, "mutation": mutation}
    about = {"input_digest": digest, "made_id": made, "recorded_at": act.now}
    await add_unique(act.session, ProgramKey.__table__, row | about)
    return made


@prepared
def _before() -> Select[Any]:
    own = ProgramKey.__table__.c
    same = (
        own.program_id == bindparam("program"),
        own.actor_id == bindparam("actor"),
        own.key == bindparam("asked_key"),
    )
    return select(own.mutation, own.input_digest, own.made_id).where(*same)


async def add_unique(session: AsyncSession, table: Table, row: Mapping[str, object]) -> None:
    """Adds a row that only one may add, as its name, code or key is taken then. PostgreSQL may tell the second of two
    at once by the broken constraint; run again, it finds what the first has added."""
    try:
        await add(session, table, [row])
    except IntegrityError as problem:
        raise Outrun from problem


def actor_of(act: ProgramAct) -> int:
    """Whose keys these are: an organization's and a person's own, else the program's."""
    return act.principal.organization_id or act.principal.person_id or act.program_id
