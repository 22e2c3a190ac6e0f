"""Noting what was done: every deed of billing leaves an event, in the transaction that does it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert

from models.events import Deed, Event, Thing
from resolvers.principal import Principal
from resolvers.recording import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One thing done, as whoever does it sees it; who, when and from where are known anyway."""

    thing: Thing
    thing_id: int
    deed: Deed
    # What a person wrote about it.
    said: str | None = None
    # What it was, and what it is now, in words.
    before: str | None = None
    after: str | None = None
    minutes: int | None = None
    # Not shown to the client.
    internal: bool = False


async def note(recording: Recording, principal: Principal, *deeds: Noted) -> None:
    """Takes keys: `end_recording` comes after."""
    if deeds:
        await recording.session.execute(insert(Event), [_row(recording, principal, deed) for deed in deeds])


def _row(recording: Recording, principal: Principal, deed: Noted) -> dict[str, object]:
    return {
        "organization_id": recording.organization_id,
        "id": recording.keys.take(),
        "recorded_at": recording.recorded_at,
        "thing": deed.thing,
        "thing_id": deed.thing_id,
        "deed": deed.deed,
        "actor": principal.name,
        "origin": principal.origin,
        "said": deed.said,
        "before": deed.before,
        "after": deed.after,
        "minutes": deed.minutes,
        "internal": deed.internal,
    }
