"""What tests of disputes share: a bill that somebody questions."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import pytest

from models.access import Role
from models.cases import DisputeOutcome, LineKey
from models.errors import DomainError
from models.events import Event, Thing
from resolvers.disputes.opening import AskedLine, Opening, open_dispute, open_drift_case
from resolvers.disputes.resolving import Resolution, resolve
from resolvers.disputes.working import send_to_client
from resolvers.evidence.signing import Signer
from resolvers.invoices.reading import Found
from resolvers.loaders.disputes import DisputeKey, DisputeLineRow, DisputeRow, disputes_by_id, lines_of_disputes
from resolvers.principal import Principal
from resolvers.recording import begin_recording
from server.database import Database
from tests.billing import ACTIVE, Billed, billed_organization
from tests.builders import STAFF
from tests.signers import signer

SIGNER = signer()


class Told(NamedTuple):
    """An event of a case."""

    deed: str
    actor: str
    said: str | None
    before: str | None
    after: str | None
    minutes: int | None
    internal: bool


@dataclass
class Questioned:
    """Three people above what is licensed are billed at ten dollars each, on line 1 of an invoice that was issued."""

    billed: Billed
    invoice_id: int
    snapshot_id: int
    # One of those who were counted.
    learner_id: int
    _keys: count[int] = field(default_factory=lambda: count(1))

    @property
    def client(self) -> Principal:
        return self.billed.client

    @property
    def partner(self) -> Principal:
        return Principal(name="Portal", role=Role.PARTNER, organization_id=self.billed.tenant.id)

    @property
    def line(self) -> LineKey:
        return LineKey(self.invoice_id, 1)

    async def opened(
        self,
        quantity: int | None = None,
        *,
        by: Principal | None = None,
        signer: Signer | None = SIGNER,
        lines: Sequence[AskedLine] = (),
    ) -> DisputeKey:
        asked = tuple(lines) or (AskedLine(self.line, quantity),)
        opening = Opening(organization_id=self.billed.tenant.id, lines=asked, reason="we count 400")
        made = await self.billed.run(lambda s, now: open_dispute(s, by or self.client, signer, now, opening))
        return DisputeKey(self.billed.tenant.id, made)

    async def drifted(self) -> DisputeKey | None:
        async def open_it(session: Any, now: Any) -> int | None:
            recording = await begin_recording(session, self.billed.tenant.id, now)
            return await open_drift_case(recording, STAFF, SIGNER, self.snapshot_id, "billed 5, now known 4")

        made = await self.billed.run(open_it)
        return None if made is None else DisputeKey(self.billed.tenant.id, made)

    async def step(self, step: Any, key: DisputeKey, *given: object, by: Principal = STAFF) -> None:
        """One of the steps that take a session, a principal, a now and the case."""
        await self.billed.run(lambda s, now: step(s, by, now, key, *given))

    async def resolved(
        self,
        key: DisputeKey,
        outcome: DisputeOutcome = DisputeOutcome.UPHELD,
        credited: Mapping[LineKey, int] | None = None,
        *,
        minutes: int | None = None,
        idempotency_key: str = "",
        by: Principal = STAFF,
    ) -> None:
        decision = Resolution(outcome=outcome, reason="we looked", credited=credited or {}, minutes=minutes)
        await self.step(resolve, key, decision, idempotency_key or f"resolve-{next(self._keys)}", by=by)

    async def with_client(self, key: DisputeKey) -> None:
        await self.step(send_to_client, key, "please look")

    # ------------------------------------------------------------------------------------------ asking

    async def row(self, key: DisputeKey) -> DisputeRow:
        async with self.billed.tenant.database.reading() as connection:
            return (await disputes_by_id(connection, [key]))[0]

    async def lines(self, key: DisputeKey) -> list[DisputeLineRow]:
        async with self.billed.tenant.database.reading() as connection:
            return await lines_of_disputes(connection, [key])

    async def told(self, key: DisputeKey) -> list[Told]:
        """Everything that was done to it, in order."""
        table = Event.__table__
        own = (table.c.organization_id == key.organization_id) & (table.c.thing_id == key.dispute_id)
        async with self.billed.tenant.database.reading() as connection:
            rows = await connection.execute(
                table.select().where(own, table.c.thing == Thing.DISPUTE).order_by(table.c.id)
            )
            return [Told(row.deed.name, *(getattr(row, name) for name in Told._fields[1:])) for row in rows]

    async def invoice(self) -> Found:
        return await self.billed.invoice(self.invoice_id)


async def questioned_bill(database: Database, *, show: str = "issued") -> Questioned:
    billed = await billed_organization(database, people=4)
    learner_id = await billed.tenant.learner(ACTIVE)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    shown = {"drafted": None, "challenged": billed.challenged, "issued": billed.issued}[show]
    if shown:
        await partial(shown, invoice_id)()
    return Questioned(billed, invoice_id, snapshot.id, learner_id)


async def refusal(deed: Awaitable[Any]) -> str:
    with pytest.raises(DomainError) as refused:
        await deed
    return refused.value.code.name
