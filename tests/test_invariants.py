"""Whatever is billed, paid, credited, adjusted and approved, in whatever order: what must hold does; and is noticed
where it does not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.cases import DisputeOutcome, LineKey
from models.errors import DomainError
from models.interval import DAY
from models.invoices import LineKind
from resolvers.disputes.opening import AskedLine, Opening, open_dispute
from resolvers.disputes.resolving import Resolution, resolve, withdraw
from resolvers.invariant import Invariant
from resolvers.invariants import BILLING_INVARIANTS, INVARIANTS, findings
from resolvers.invoices.issuing import issue
from resolvers.loaders.disputes import DisputeKey
from resolvers.principal import Principal
from server.database import Database
from tests.asking import ask
from tests.billing import ACTIVE, Billed, billed_organization
from tests.builders import STAFF

DATES = [dt.date(2017, 9, 1), dt.date(2017, 10, 1)]


async def offended(database: Database, among: Sequence[Invariant] = INVARIANTS) -> set[str]:
    async with database.reading() as connection:
        return {found.invariant.name for found in await findings(connection, among) if not found.holds}


# ---------------------------------------------------------------------------------------------- a billing clerk


@dataclass
class Clerk:
    """Does what it is told, to whatever thing of that kind a number picks; a refusal is an answer too."""

    billed: Billed
    people: list[int] = field(default_factory=list)
    snapshots: list[int] = field(default_factory=list)
    invoices: list[int] = field(default_factory=list)
    adjustments: list[int] = field(default_factory=list)
    disputes: list[int] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    async def draft(self, number: int) -> None:
        self.invoices += await self.billed.drafted(DATES[number % 2])

    async def cancel(self, number: int) -> None:
        await self.billed.cancelled(pick(self.invoices, number))

    async def challenge(self, number: int) -> None:
        await self.billed.challenged(pick(self.invoices, number), 1)

    async def accept(self, number: int) -> None:
        await self.billed.accepted(pick(self.invoices, number))

    async def wait(self, _: int) -> None:
        self.billed.tenant.now += 3 * DAY

    async def issue(self, number: int) -> None:
        await self.billed.issued(pick(self.invoices, number))

    async def issue_after_challenge(self, number: int) -> None:
        key = self.billed.key(pick(self.invoices, number))
        await self.billed.run(lambda s, now: issue(s, STAFF, now, key))

    async def pay(self, number: int) -> None:
        await self.billed.paid(pick(self.invoices, number), 500 * (1 + number % 7))

    async def pay_all(self, number: int) -> None:
        invoice_id = pick(self.invoices, number)
        due = (await self.billed.invoice(invoice_id)).figures.due
        await self.billed.paid(invoice_id, due)

    async def join(self, _: int) -> None:
        self.people.append(await self.billed.tenant.learner(ACTIVE))

    async def leave(self, number: int) -> None:
        await self.billed.tenant.deactivated(pick(self.people, number), "2017-08-15")

    async def lose(self, _: int) -> None:
        self.people += await self.billed.lost(1)

    async def adjust(self, number: int) -> None:
        self.adjustments.append(await self.billed.adjusted(pick(self.snapshots, number)))

    async def approve(self, number: int) -> None:
        self.invoices.append(await self.billed.approved(pick(self.adjustments, number)))

    async def approve_uncertain(self, number: int) -> None:
        invoice_id = await self.billed.approved_uncertain(pick(self.snapshots, number), 1 + number % 2)
        self.invoices += [invoice_id] if invoice_id not in self.invoices else []

    async def dispute(self, number: int) -> None:
        asked = AskedLine(LineKey(pick(self.invoices, number), 1), 1 + number % 2)
        opening = Opening(organization_id=self.billed.tenant.id, lines=(asked,), reason="he had left")
        opened = await self.billed.run(lambda s, now: open_dispute(s, self.billed.client, None, now, opening))
        self.disputes.append(opened)

    async def uphold(self, number: int) -> None:
        key = DisputeKey(self.billed.tenant.id, pick(self.disputes, number))
        upheld = Resolution(outcome=DisputeOutcome.UPHELD, reason="he had")
        await self.billed.run(lambda s, now: resolve(s, STAFF, now, key, upheld, self.billed.new_key()))

    async def withdraw(self, number: int) -> None:
        key = DisputeKey(self.billed.tenant.id, pick(self.disputes, number))
        await self.billed.run(lambda s, now: withdraw(s, self.billed.client, now, key, "he had not"))


class NothingToPick(Exception):
    pass


def pick(things: list[int], number: int) -> int:
    if not things:
        raise NothingToPick
    return things[number % len(things)]


ACTS: dict[str, Callable[[Clerk, int], Awaitable[None]]] = {
    name: act for name, act in vars(Clerk).items() if not name.startswith("_") and callable(act)
}
# Without shrinking: a shorter tale that fails takes minutes to find.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
OFTEN = ("issue", "pay", "pay_all", "adjust", "approve", "approve_uncertain", "dispute", "uphold")
CHOICES = st.sampled_from([*sorted(ACTS), *OFTEN, *OFTEN])
TALES = st.lists(st.tuples(CHOICES, st.integers(0, 3)), min_size=10, max_size=20)


@given(tale=TALES)
@settings(phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_all_holds_after_every_step(database: Database, tale: list[tuple[str, int]]) -> None:
    clerk = Clerk(await billed_organization(database, people=4, licensed=2, lost=1))
    clerk.people += [await clerk.billed.tenant.learner(ACTIVE) for _ in range(2)]
    clerk.snapshots += [(await clerk.billed.taken(date)).id for date in DATES]
    await clerk.draft(0)
    for act, number in tale:
        try:
            await ACTS[act](clerk, number)
        except (DomainError, NothingToPick):
            continue
        assert await offended(database, BILLING_INVARIANTS) == set(), (clerk.done, act)
        await nothing_is_lost(clerk)
        clerk.done.append(act)


async def nothing_is_lost(clerk: Clerk) -> None:
    """Of each invoice every cent is due, credited or paid; and only what was approved is above what was provable."""
    for invoice_id in clerk.invoices:
        found = await clerk.billed.invoice(invoice_id)
        figures = found.figures
        assert figures.due - figures.credit_balance == figures.total - figures.credited - figures.paid
        assert figures.collectable + figures.held == figures.due
        assert all((line.approved_by is None) == (line.kind is LineKind.OVERAGE) for line in found.lines)


# --------------------------------------------------------------------------------------------- what is noticed


async def paid_and_credited(database: Database) -> Billed:
    """With a row of every kind that an invariant reads."""
    billed = await billed_organization(database, people=4, licensed=2, lost=1)
    learner_id = await billed.tenant.learner(ACTIVE)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.approved_uncertain(snapshot.id, 1)
    await billed.issued(invoice_id)
    await billed.paid(invoice_id, 2500)
    await billed.tenant.deactivated(learner_id, "2017-08-15")
    await billed.adjusted(snapshot.id)
    return billed


HARM = {
    "snapshot-count": "UPDATE billing_snapshot SET count_least = count_least - 1, overage_least = overage_least - 1",
    "overage-line": "UPDATE invoice_line SET quantity = quantity + 1, total_minor = total_minor + unit_price_minor"
    " WHERE kind = 'OVERAGE'",
    "uncertain-line": "UPDATE invoice_line SET quantity = quantity + 1, total_minor = total_minor + unit_price_minor"
    " WHERE kind = 'UNCERTAIN'",
    "credited": "UPDATE credit_note_line SET quantity = 9, total_minor = 9000",
    "credit-price": "UPDATE credit_note_line SET total_minor = total_minor - 1",
    "payments": "UPDATE invoice_payment SET amount_minor = amount_minor + 1501",
    "paid": "UPDATE invoice SET state = 'PAID'",
    "overage-once": "INSERT INTO invoice_line SELECT organization_id, invoice_id, 9, kind, snapshot_id, adjustment_id,"
    " quantity, unit_price_minor, total_minor, approved_by, approval_reason FROM invoice_line WHERE kind = 'OVERAGE'",
    "terms-apart": "INSERT INTO contract_term SELECT organization_id, id + 1, recorded_at, product_id, since, until,"
    " licensed, unit_price_minor, currency, measure, holds FROM contract_term",
}


@pytest.mark.parametrize("name", HARM)
async def test_what_does_not_hold_is_noticed(sqlite_database: Database, name: str) -> None:
    """Done behind the back of the database, whose own triggers would refuse it."""
    await paid_and_credited(sqlite_database)
    assert await offended(sqlite_database) == set()

    async def harm(session: AsyncSession) -> None:
        triggers = await session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for trigger in triggers.scalars().all():
            await session.execute(text(f"DROP TRIGGER {trigger}"))
        await session.execute(text(HARM[name]))

    await sqlite_database.run(harm)
    assert name in await offended(sqlite_database)


async def test_staff_run_all_invariants_with_one_operation(database: Database) -> None:
    await paid_and_credited(database)
    query = "{ invariants { name meaning holds offending } }"
    answer = await ask(database, query)
    assert [found["holds"] for found in answer.data["invariants"]] == [True] * len(INVARIANTS)
    client = Principal(name="Kim", role=Role.ORGANIZATION, organization_id=1)
    assert (await ask(database, query, client)).errors == ["NOT_ALLOWED"]
