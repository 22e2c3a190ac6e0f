"""Money mutations are done once: the same key and input again is answered with what was made the first time."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import RepeatError, RepeatErrorCode
from models.work import IdempotencyKey

LONGEST_KEY = 100


async def once(
    session: AsyncSession,
    organization_id: int,
    key: str,
    mutation: str,
    given: object,
    now: dt.datetime,
    step: Callable[[], Awaitable[int]],
) -> int:
    """The key of what `step` makes, or made when it was asked the same before; it runs in this very transaction.

    Whether the principal may do it is asked before. Of two at once one does it and the other is tried again, since the
    step takes the organization's lock; then it finds what was made.
    """
    refuse_odd_key(key)
    digest = digest_of(given)
    before = (
        await session.execute(
            select(IdempotencyKey.mutation, IdempotencyKey.input_digest, IdempotencyKey.made_id).where(
                IdempotencyKey.organization_id == organization_id, IdempotencyKey.key == key
            )
        )
    ).one_or_none()
    if before is None:
        return await _do(session, organization_id, key, mutation, digest, now, step)
    refuse_other_input(before.mutation, before.input_digest, mutation, digest)
    made: int = before.made_id
    return made


async def _do(
    session: AsyncSession,
    organization_id: int,
    key: str,
    mutation: str,
    digest: str,
    now: dt.datetime,
    step: Callable[[], Awaitable[int]],
) -> int:
    made = await step()
    await session.execute(
        insert(IdempotencyKey).values(
            organization_id=organization_id,
            key=key,
            mutation=mutation,
            input_digest=digest,
            made_id=made,
            recorded_at=now,
        )
    )
    return made


def refuse_other_input(known_mutation: str, known_digest: str, mutation: str, digest: str) -> None:
    if (known_mutation, known_digest) != (mutation, digest):
        raise RepeatError(
            RepeatErrorCode.IDEMPOTENCY_KEY_REUSED,
            f"The key was used before, for {known_mutation} with other input. Use a new key for a new request.",
            "idempotencyKey",
        )


def refuse_odd_key(key: str) -> None:
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise RepeatError(
            RepeatErrorCode.BAD_IDEMPOTENCY_KEY,
            f"An idempotency key has 1 to {LONGEST_KEY} printable characters. A UUID will do.",
            "idempotencyKey",
        )


def digest_of(given: object) -> str:
    """SHA-256 of an input, the same however it is spelled: by what it says, with its names in order."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return hashlib.sha256(orjson.dumps(given, default=_plain, option=options)).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Decimal):
        return str(value.normalize())
    raise TypeError(f"{type(value).__name__} has no canonical form")
