"""Attaching evidence to a case: a signed pack of what is known at that moment."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from models.cases import DisputeStep, state_after
from models.errors import EvidenceError, EvidenceErrorCode
from models.events import Deed
from resolvers.disputes.cases import Case, finish, take_up
from resolvers.evidence.packs import build_pack
from resolvers.evidence.signing import Signer
from resolvers.loaders.disputes import DisputeKey
from resolvers.principal import Principal


async def attach_evidence(
    session: AsyncSession, principal: Principal, signer: Signer | None, now: dt.datetime, key: DisputeKey
) -> int:
    """A fresh pack, which takes the place of the one before; that one stays as it is."""
    case = await take_up(session, principal, now, key, DisputeStep.ATTACH_EVIDENCE)
    if signer is None:
        raise EvidenceError(EvidenceErrorCode.NO_SIGNING_KEY, EvidenceErrorCode.NO_SIGNING_KEY.value)
    await attach(case, signer)
    return key.dispute_id


async def attach(case: Case, signer: Signer) -> None:
    """The case then has its evidence, and if it had just been opened it is ready for whoever decides."""
    pack_id = await build_pack(case.recording, case.principal, signer, case.row.snapshot_id)
    becomes = state_after(DisputeStep.ATTACH_EVIDENCE, case.row.state, case.row.origin)
    ready = replace(case, becomes=becomes)
    deeds = [ready.done(Deed.EVIDENCE_ATTACHED, after=f"pack {pack_id}")]
    if becomes is not case.row.state:
        deeds.append(ready.moved())
    await finish(ready, *deeds, pack_id=pack_id)
