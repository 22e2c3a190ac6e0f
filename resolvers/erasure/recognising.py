"""Knowing that somebody was erased, by digests: their data must not come back with the next roster."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.erasure import Erasure, external_id_digest, pseudonym
from models.errors import HistoryError, HistoryErrorCode

ERASURE = Erasure.__table__


@dataclass(frozen=True, slots=True)
class ErasedPeople:
    """Who was erased in one organization."""

    salt: str
    digests: frozenset[str]
    pseudonyms: frozenset[str]

    def hold(self, external_id: str) -> bool:
        """Whether this is, or now stands for, the external id of somebody who was erased."""
        return external_id in self.pseudonyms or external_id_digest(self.salt, external_id) in self.digests


async def erased_people(session: AsyncSession, organization_id: int) -> ErasedPeople | None:
    """None where nobody was erased, which is all that most organizations ever pay."""
    rows = (
        await session.execute(
            select(ERASURE.c.salt, ERASURE.c.learner_id, ERASURE.c.external_id_digest).where(
                ERASURE.c.organization_id == organization_id
            )
        )
    ).all()
    if not rows:
        return None
    pseudonyms = frozenset(pseudonym(row.salt, row.learner_id) for row in rows)
    return ErasedPeople(rows[0].salt, frozenset(row.external_id_digest for row in rows), pseudonyms)


async def refuse_erased_id(session: AsyncSession, organization_id: int, external_id: str) -> None:
    """Refuses an external id that nobody has now, but somebody had who was erased."""
    people = await erased_people(session, organization_id)
    if people and people.hold(external_id.strip()):
        raise _refusal()


async def refuse_erased(session: AsyncSession, organization_id: int, learner_id: int) -> None:
    """Refuses personal data of a learner whose were erased."""
    found = await session.scalar(
        select(ERASURE.c.learner_id).where(
            ERASURE.c.organization_id == organization_id, ERASURE.c.learner_id == learner_id
        )
    )
    if found is not None:
        raise _refusal()


def _refusal() -> HistoryError:
    return HistoryError(HistoryErrorCode.ERASED, HistoryErrorCode.ERASED.value, "learner")
