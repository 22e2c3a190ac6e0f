"""What tests of billing share: an organization with a contract and more people than it licensed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.contracts import NO_LAST_DAY, ContractTerm, Measure
from models.history import Source
from models.invoices import Adjustment
from models.money import Money
from resolvers.invoices.adjusting import adjust
from resolvers.invoices.approving import (
    AdjustmentApproval,
    UncertainApproval,
    approve_adjustment,
    approve_uncertain,
)
from resolvers.invoices.challenging import accept_line, open_challenge
from resolvers.invoices.drafting import cancel, draft
from resolvers.invoices.issuing import issue
from resolvers.invoices.paying import Payment, pay
from resolvers.invoices.reading import Found, find
from resolvers.loaders.invoices import InvoiceKey
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow, snapshots_by_id
from resolvers.principal import Principal
from resolvers.recording import begin_recording, end_recording, held_of, record
from resolvers.snapshots.taking import take_date
from server.database import Database
from tests.builders import STAFF, Tenant, known, lost_start, organization

DATE = dt.date(2017, 9, 1)
ACTIVE = "2017-08-01.."
T = TypeVar("T")


@dataclass
class Billed:
    """An organization in the days of its bill; each act is a minute later than the one before."""

    tenant: Tenant
    client: Principal
    _keys: count[int] = field(default_factory=lambda: count(1))
    _terms: dict[int, int] = field(default_factory=dict)

    @classmethod
    async def of(
        cls, tenant: Tenant, *, licensed: int = 2, price_minor: int = 1000, product: int = 0, currency: str = "USD"
    ) -> Billed:
        """With a term from 2017 on; seats unless another product is named."""
        client = Principal(name="Kim of the client", role=Role.ORGANIZATION, organization_id=tenant.id)
        billed = cls(tenant, client)
        await billed.agreed(licensed=licensed, price_minor=price_minor, product=product, currency=currency)
        return billed

    async def agreed(self, *, licensed: int, price_minor: int, product: int = 0, currency: str = "USD") -> None:
        """A term of the product; agreed again it takes the place of the one before."""
        now = self.tenant.tick()

        async def write(session: AsyncSession) -> None:
            recording = await begin_recording(session, self.tenant.id, now)
            term_id = self._terms.setdefault(product, recording.keys.take())
            row = {
                "organization_id": self.tenant.id,
                "id": term_id,
                "recorded_at": recording.recorded_at,
                "product_id": product or self.tenant.id,
                "since": dt.date(2017, 1, 1),
                "until": NO_LAST_DAY,
                "licensed": licensed,
                "unit_price_minor": price_minor,
                "currency": currency,
                "measure": Measure.AT_CUTOFF,
                "holds": True,
            }
            await session.execute(insert(ContractTerm).values(row))
            await end_recording(recording)

        await self.tenant.database.run(write)

    async def lost(self, people: int) -> list[int]:
        """So many people of whom the start is lost, so that they may have been active at the cutoff, or not."""
        found = []
        for number in range(people):
            learner_id = await self.tenant.stranger(f"Lost {number}")
            await self.tenant.believed(learner_id, lost_start(self.tenant, self.tenant.id, "2017-09-30"))
            found.append(learner_id)
        return found

    async def found(self, learner_id: int, span: str) -> None:
        """What the dates of somebody really were, of whom one belief is held."""

        async def write(session: AsyncSession, now: dt.datetime) -> None:
            recording = await begin_recording(session, self.tenant.id, now)
            fact = (await held_of(recording, [learner_id]))[learner_id].facts[0]
            change = known(self.tenant, self.tenant.id, span, fact.fact_id)
            await record(recording, learner_id, [change], STAFF.name, Source.CORRECTION, "found in the badge log")

        await self.run(write)

    async def run(self, step: Callable[[AsyncSession, dt.datetime], Awaitable[T]]) -> T:
        now = self.tenant.tick()
        return await self.tenant.database.run(lambda session: step(session, now))

    def new_key(self) -> str:
        return f"key-{next(self._keys)}"

    # ------------------------------------------------------------------------------------------- deeds

    async def taken(self, date: dt.date = DATE) -> SnapshotRow:
        """The billing snapshot of the seats."""
        taken = await self.run(lambda s, now: take_date(s, STAFF, now, self.tenant.id, date))
        async with self.tenant.database.reading() as connection:
            keys = [SnapshotKey(self.tenant.id, i) for i in taken.snapshot_ids]
            rows = await snapshots_by_id(connection, keys)
        return next(row for row in rows if row.product_id == self.tenant.id)

    async def drafted(self, date: dt.date = DATE) -> list[int]:
        return await self.run(lambda s, now: draft(s, STAFF, now, self.tenant.id, date))

    async def challenged(self, invoice_id: int, days: int = 14) -> dt.datetime:
        return await self.run(lambda s, now: open_challenge(s, STAFF, now, self.key(invoice_id), days))

    async def accepted(self, invoice_id: int, line: int = 1) -> None:
        await self.run(lambda s, now: accept_line(s, self.client, now, self.key(invoice_id), line, None))

    async def issued(self, invoice_id: int) -> None:
        await self.run(
            lambda s, now: issue(s, STAFF, now, self.key(invoice_id), without_challenge=True, reason="as agreed")
        )

    async def paid(self, invoice_id: int, amount_minor: int, *, currency: str = "USD", key: str = "") -> int:
        payment = Payment(invoice=self.key(invoice_id), amount=Money(amount_minor, currency), reference="wire 7")
        return await self.run(lambda s, now: pay(s, STAFF, now, payment, key or self.new_key()))

    async def cancelled(self, invoice_id: int) -> None:
        await self.run(lambda s, now: cancel(s, STAFF, now, self.key(invoice_id), "drafted too early"))

    async def adjusted(self, snapshot_id: int) -> int:
        return await self.run(lambda s, now: adjust(s, STAFF, now, self.tenant.id, snapshot_id, "a late correction"))

    async def approved(self, adjustment_id: int, key: str = "") -> int:
        approval = AdjustmentApproval(
            organization_id=self.tenant.id, adjustment_id=adjustment_id, reason="seen the badge log"
        )
        return await self.run(lambda s, now: approve_adjustment(s, STAFF, now, approval, key or self.new_key()))

    async def approved_uncertain(self, snapshot_id: int, quantity: int, key: str = "") -> int:
        snapshot = SnapshotKey(self.tenant.id, snapshot_id)
        approval = UncertainApproval(snapshot=snapshot, quantity=quantity, reason="seen the badge log")
        return await self.run(lambda s, now: approve_uncertain(s, STAFF, now, approval, key or self.new_key()))

    # ------------------------------------------------------------------------------------------ asking

    def key(self, invoice_id: int) -> InvoiceKey:
        return InvoiceKey(self.tenant.id, invoice_id)

    async def invoice(self, invoice_id: int) -> Found:
        async with self.tenant.database.reading() as connection:
            return await find(connection, self.tenant.id, invoice_id)

    async def adjustment(self, adjustment_id: int) -> tuple[int, int, int]:
        """Billed, now known, and the difference."""
        table = Adjustment.__table__
        async with self.tenant.database.reading() as connection:
            row = (await connection.execute(table.select().where(table.c.id == adjustment_id))).one()
        return row.overage_billed, row.overage_now, row.quantity


async def billed_organization(
    database: Database, *, people: int = 5, licensed: int = 2, lost: int = 0, price_minor: int = 1000
) -> Billed:
    """Five active of two licensed, at ten dollars each, unless told otherwise."""
    tenant = await organization(database)
    await tenant.crowd(people, active=[ACTIVE])
    billed = await Billed.of(tenant, licensed=licensed, price_minor=price_minor)
    await billed.lost(lost)
    return billed
