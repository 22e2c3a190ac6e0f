"""Lists of a program, of an organization and of both may be asked for at once: each has a statement of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from resolvers.loaders.kinds import rows_by_kind, values_by_kind


class Key(NamedTuple):
    program_id: int
    organization_id: int


class Row(NamedTuple):
    place: int
    key: Key


KEYS = [Key(1, 0), Key(0, 7), Key(2, 0), Key(1, 7), Key(0, 8)]


async def test_rows_come_back_to_the_keys_that_they_are_of() -> None:
    asked: list[Sequence[Key]] = []

    @rows_by_kind
    async def batch(_: Any, keys: Sequence[Key]) -> list[Row]:
        asked.append(keys)
        return [Row(place, key) for place, key in enumerate(keys)]

    rows = await batch(cast(Any, None), KEYS)
    assert {row.place: row.key for row in rows} == dict(enumerate(KEYS))
    assert asked == [[Key(1, 0), Key(2, 0)], [Key(0, 7), Key(0, 8)], [Key(1, 7)]]


async def test_values_come_back_in_the_order_of_the_keys() -> None:
    @values_by_kind
    async def batch(_: Any, keys: Sequence[Key], more: int) -> list[int]:
        return [10 * key.program_id + key.organization_id + more for key in keys]

    assert await batch(cast(Any, None), KEYS, 100) == [110, 107, 120, 117, 108]
