"""Erasing a person: exactly what was previewed, in one transaction of one organization.

Somebody who is a learner of several organizations is erased in each by a call of its own.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.erasure import ERASED, Erasure, digest_of, external_id_digest, is_named_in, pseudonym
from models.errors import ErasureError, ErasureErrorCode
from models.events import Deed, Thing
from models.learners import Learner
from resolvers.erasure.previewing import (
    CERTIFIED,
    ERASURE,
    LEARNER,
    PACKED,
    PROFILE,
    STAGED,
    TOKEN,
    Found,
    find,
    held_by,
    is_named_with,
    is_staged,
    look,
    must_be_allowed,
)
from resolvers.erasure.texts import erase_texts
from resolvers.events import Noted, note
from resolvers.history import Who
from resolvers.loaders.learners import LearnerKey
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording

SALT_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasing:
    who: Who
    # Kept with the event, so it must not name the person.
    reason: str
    preview_digest: str
    # As they were given to the preview.
    other_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erased:
    """Whose data were erased and when; `changed` is false if they had been by this very request."""

    learner: LearnerKey
    recorded_at: dt.datetime
    changed: bool


async def erase(session: AsyncSession, principal: Principal, now: dt.datetime, asked: Erasing) -> Erased:
    """Takes away what names the person, and leaves what was counted. The same once more changes nothing."""
    must_be_allowed(principal, asked.who)
    recording = await begin_recording(session, asked.who.organization_id, now)
    key = await find(session, asked.who)
    if former := await _former(session, key, asked.preview_digest):
        return former
    found = await look(session, key, asked.other_names)
    await _refuse(session, found, asked)
    await _take_away(recording, found)
    await _keep(recording, principal, found, asked)
    await end_recording(recording)
    return Erased(key, recording.recorded_at, changed=True)


async def _former(session: AsyncSession, key: LearnerKey, preview_digest: str) -> Erased | None:
    """The erasure that was done already, if this asks for it once more; `look` refuses another one."""
    row = (
        await session.execute(
            select(ERASURE.c.salt, ERASURE.c.preview_digest, ERASURE.c.recorded_at).where(
                ERASURE.c.organization_id == key.organization_id, ERASURE.c.learner_id == key.learner_id
            )
        )
    ).one_or_none()
    if row is None or row.preview_digest != digest_of(row.salt, "preview", preview_digest):
        return None
    return Erased(key, row.recorded_at, changed=False)


async def _refuse(session: AsyncSession, found: Found, asked: Erasing) -> None:
    if disputes := await held_by(session, found.key):
        raise ErasureError(
            ErasureErrorCode.IN_DISPUTE,
            f"The person is named in what is disputed: {', '.join(disputes)}. Close that first.",
            "learner",
        )
    if not asked.reason.strip():
        raise ErasureError(ErasureErrorCode.REASON_REQUIRED, "Say why, without naming the person.", "reason")
    if is_named_in(found.person, asked.reason):
        raise ErasureError(
            ErasureErrorCode.REASON_REQUIRED, "The reason names the person, and would stay. Leave that out.", "reason"
        )
    if asked.preview_digest != found.digest:
        raise ErasureError(ErasureErrorCode.PREVIEW_CHANGED, ErasureErrorCode.PREVIEW_CHANGED.value, "previewDigest")


# ------------------------------------------------------------------------------------------------ the act


async def _take_away(recording: Recording, found: Found) -> None:
    session, organization_id = recording.session, recording.organization_id
    learner_id, external_id = found.key.learner_id, found.profile[2]
    await erase_texts(session, organization_id, found.texts)
    await session.execute(
        delete(PACKED).where(PACKED.c.organization_id == organization_id, PACKED.c.learner_id == learner_id)
    )
    await session.execute(delete(CERTIFIED).where(is_named_with(organization_id, external_id)))
    await session.execute(delete(STAGED).where(is_staged(organization_id, external_id)))
    await _cut_off_the_account(recording, found)


async def _cut_off_the_account(recording: Recording, found: Found) -> None:
    """The subject leads to no account any more; an account that is nobody else ends, and forgets its name."""
    own = (LEARNER.c.organization_id == recording.organization_id) & (LEARNER.c.id == found.key.learner_id)
    await recording.session.execute(update(Learner.__table__).where(own).values(person_id=None))
    if found.account_ends:
        now = literal(recording.recorded_at, TOKEN.c.ended_at.type)
        await recording.session.execute(
            update(TOKEN)
            .where(TOKEN.c.person_id == found.account)
            .values(name=ERASED, ended_at=func.coalesce(TOKEN.c.ended_at, now))
        )


async def _keep(recording: Recording, principal: Principal, found: Found, asked: Erasing) -> None:
    """The pseudonym, the digests, and the event."""
    salt = await _salt(recording)
    profile_digest = digest_of(salt, "profile", *found.profile)
    await _empty_profile(recording, found, pseudonym(salt, found.key.learner_id))
    await recording.session.execute(
        insert(Erasure).values(
            **found.key._asdict(),
            recorded_at=recording.recorded_at,
            actor=principal.name,
            salt=salt,
            external_id_digest=external_id_digest(salt, found.profile[2]),
            profile_digest=profile_digest,
            texts_digest=digest_of(salt, "texts", *(one.text for one in found.texts)),
            preview_digest=digest_of(salt, "preview", asked.preview_digest),
        )
    )
    erased = Noted(
        thing=Thing.LEARNER,
        thing_id=found.key.learner_id,
        deed=Deed.ERASED,
        said=asked.reason.strip(),
        before=f"personal data of digest {profile_digest}",
        after="none",
    )
    await note(recording, principal, erased)


async def _salt(recording: Recording) -> str:
    """The organization's own, made with its first erasure."""
    known = await recording.session.scalar(
        select(ERASURE.c.salt).where(ERASURE.c.organization_id == recording.organization_id).limit(1)
    )
    return known or secrets.token_hex(SALT_BYTES)


async def _empty_profile(recording: Recording, found: Found, stands_for_it: str) -> None:
    empty = {column.name: "" for column in PROFILE.columns if not column.primary_key}
    same = (PROFILE.c.organization_id == recording.organization_id) & (PROFILE.c.learner_id == found.key.learner_id)
    await recording.session.execute(update(PROFILE).where(same).values(empty | {"external_id": stands_for_it}))
