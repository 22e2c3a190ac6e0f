"""What was done to a thing: who, when, and what it was before and after."""

from __future__ import annotations

import datetime as dt

import strawberry

from models.events import Deed, Thing
from resolvers.loaders.events import EventRow, EventsKey, EventsPage, event_totals, events_of
from schema.context import Info
from schema.pagination import Connection, Paging, connection_of, paging
from schema.scalars import described

described(Deed, "What was done.")


@strawberry.type(description="One thing done; it never changes.")
class Event:
    recorded_at: dt.datetime = strawberry.field(description="When.")
    actor: str = strawberry.field(description="Who.")
    deed: Deed = strawberry.field(description="What was done.")
    said: str | None = strawberry.field(description="What they wrote about it.")
    before: str | None = strawberry.field(description="What it was before, in words.")
    after: str | None = strawberry.field(description="What it was then, in words.")
    minutes: int | None = strawberry.field(description="The minutes of staff time that it took, where recorded.")
    internal: bool = strawberry.field(description="Whether only staff see it; never true for a client.")

    @classmethod
    def of(cls, row: EventRow) -> Event:
        told = {name: getattr(row, name) for name in EventRow._fields if name not in ("place", "id")}
        return cls(**told | {"internal": bool(row.internal)})


def events_paging(of: object, first: int | None, after: str | None, last: int | None, before: str | None) -> Paging:
    return paging((of, "events"), first, after, last, before, int)


async def events_of_thing(info: Info, thing: Thing, key: EventsKey, page: Paging) -> Connection[Event]:
    """What was done to it, oldest first; the client does not see what is internal."""
    with_internal, loaders = info.context.principal.is_staff, info.context.loaders
    asked = EventsPage(thing, page.limit, with_internal, page.backward, page.beyond[0] if page.beyond else None)
    rows: list[EventRow] = await loaders.rows(events_of, asked).load(key)

    async def total() -> int:
        return await loaders.values(event_totals, thing, with_internal).load(key)

    return connection_of([(Event.of(row), (row.id,)) for row in rows], page, total)
