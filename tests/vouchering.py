"""What tests of vouchers share: a program with fees, an organization, and vouchers that it has bought.

Stock is written straight into the tables, as an order that was paid for or agreed on leaves it, so that a test of what
comes later does not hang on how it was bought.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import insert, select

from models.access import Role
from models.interval import FOREVER
from models.keys import reference_key
from models.ledger import LedgerEvent
from models.money import Money
from models.products import Product
from models.programs import HOLD_SECONDS, Program
from models.voucher_orders import BillingAgreement, VoucherOrder, VoucherOrderState
from models.voucher_programs import (
    IssueOn,
    Leftovers,
    ProductRuling,
    RefundPolicy,
    Transferability,
    VoucherFunding,
    VoucherProgram,
    VoucherProgramProduct,
)
from models.vouchers import Voucher, VoucherStanding
from resolvers.ledger.posting import Posting, post
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, begin_act
from resolvers.vouchers.codes import CodeKeys, keep_codes, new_codes
from server.database import Database
from tests.builders import NOON, Tenant, organization

FEE_MINOR = 12_500
_numbers = count(1)


@dataclass(frozen=True)
class Stocked:
    """A voucher, and the code that opens it."""

    id: int
    code: str


@dataclass
class Shop:
    """A program that sells one fee of 125 dollars, has a late fee of 50, and an organization that buys there."""

    database: Database
    tenant: Tenant
    program_id: int
    fee_id: int
    late_fee_id: int
    voucher_program_id: int
    now: dt.datetime = NOON

    @property
    def program_admin(self) -> Principal:
        return Principal(name="Pat of the program", role=Role.PROGRAM, program_id=self.program_id)

    @property
    def client(self) -> Principal:
        return Principal(name="Chris of the client", role=Role.ORGANIZATION, organization_id=self.tenant.id)

    async def act(self, step: Any, *, by: Principal | None = None, at: dt.datetime | None = None) -> Any:
        """Runs `step(act)` in one transaction; by the client unless somebody else is named."""

        async def run(session: Any) -> Any:
            return await step(await begin_act(session, by or self.client, at or self.now, self.program_id))

        return await self.database.run(run)

    async def stock(
        self,
        keys: CodeKeys,
        quantity: int = 1,
        *,
        funding: VoucherFunding = VoucherFunding.CARD,
        face_minor: int = FEE_MINOR,
        expires_at: dt.datetime = FOREVER,
        voucher_program_id: int | None = None,
    ) -> list[Stocked]:
        """Vouchers as an order leaves them that was paid for, or that is on account."""
        own = voucher_program_id or self.voucher_program_id

        async def step(act: ProgramAct) -> list[Stocked]:
            order_id, first = act.keys.take(), act.keys.take(quantity)
            ids = list(range(first, first + quantity))
            codes = new_codes(ids)
            await act.session.execute(
                insert(VoucherOrder.__table__), self._order(act, order_id, own, quantity, face_minor, funding)
            )
            rows = [
                self._voucher(act, code.voucher_id, own, order_id, face_minor, funding, expires_at, code.last_four)
                for code in codes
            ]
            await act.session.execute(insert(Voucher.__table__), rows)
            await keep_codes(act, keys, codes)
            if funding is not VoucherFunding.BILL_LATER:
                total = Money(face_minor, "USD") * quantity
                paid = LedgerEvent.PURCHASE_PAID
                await post(
                    act,
                    Posting(event=paid, amount=total, organization_id=self.tenant.id, voucher_order_id=order_id),
                )
            return [Stocked(code.voucher_id, code.code) for code in codes]

        made: list[Stocked] = await self.act(step)
        return made

    def _order(
        self, act: ProgramAct, order_id: int, own: int, quantity: int, face_minor: int, funding: VoucherFunding
    ) -> dict[str, object]:
        later = funding is VoucherFunding.BILL_LATER
        return {
            "program_id": self.program_id,
            "id": order_id,
            "organization_id": self.tenant.id,
            "number": f"ORD-{next(_numbers):06}",
            "voucher_program_id": own,
            "quantity": quantity,
            "unit_price_minor": face_minor,
            "currency": "USD",
            "funding": funding,
            "state": VoucherOrderState.ON_ACCOUNT if later else VoucherOrderState.SETTLED,
            "paid_minor": 0 if later else quantity * face_minor,
            "refunded_minor": 0,
            "ordered_by": act.principal.name,
            "ordered_at": act.now,
            "issued_at": act.now,
            "closed_at": None if later else act.now,
        }

    def _voucher(
        self,
        act: ProgramAct,
        voucher_id: int,
        own: int,
        order_id: int,
        face_minor: int,
        funding: VoucherFunding,
        expires_at: dt.datetime,
        last_four: str,
    ) -> dict[str, object]:
        moved = ("held", "captured", "reversed", "expired", "forfeited", "refunded")
        return {
            "program_id": self.program_id,
            "id": voucher_id,
            "organization_id": self.tenant.id,
            "voucher_program_id": own,
            "voucher_order_id": order_id,
            "funding": funding,
            "standing": VoucherStanding.LIVE,
            "last_four": last_four,
            "issued_at": act.now,
            "expires_at": expires_at,
            "face_value_minor": face_minor,
            "currency": "USD",
            "remaining_minor": face_minor,
            **{f"{part}_minor": 0 for part in moved},
        }

    async def agreement(self, cap_minor: int) -> int:
        """The organization is billed later, up to a cap in dollars' cents."""

        async def step(act: ProgramAct) -> int:
            key = act.keys.take()
            about = {"program_id": self.program_id, "id": key, "organization_id": self.tenant.id, "currency": "USD"}
            parts = {"cap_minor": cap_minor, "unbilled_minor": 0, "unpaid_minor": 0, "held_minor": 0}
            since = {"closed_until": act.now, "agreed_at": act.now}
            await act.session.execute(insert(BillingAgreement.__table__), {**about, **parts, **since})
            return key

        made: int = await self.act(step)
        return made

    async def voucher(self, voucher_id: int) -> Any:
        """The row of a voucher, as it is now."""
        table = Voucher.__table__
        async with self.database.reading() as connection:
            found = await connection.execute(
                select(table).where(table.c.program_id == self.program_id, table.c.id == voucher_id)
            )
            return found.one()


async def shop(
    database: Database,
    *,
    tenant: Tenant | None = None,
    leftovers: Leftovers = Leftovers.KEEP,
    transferability: Transferability = Transferability.BEARER,
    refund_policy: RefundPolicy = RefundPolicy.UNUSED,
    issue_on: IssueOn = IssueOn.APPROVAL,
    excluding_late_fee: bool = True,
) -> Shop:
    """A program that takes every way to pay, whose vouchers pay any fee but the late fee."""
    tenant = tenant or await organization(database)
    number = next(_numbers)
    program_id = reference_key(NOON)
    # These keys are below any that an act takes.
    made = Shop(database, tenant, program_id, 1, 2, 3)
    program = {"id": program_id, "slug": f"program-{number}", "name": f"Program {number}", "name_key": f"p{number}"}
    settings = {"zone": "America/Chicago", "hold_seconds": HOLD_SECONDS, "reopen_days": 0, "created_at": NOON}
    terms = {
        "leftovers": leftovers,
        "transferability": transferability,
        "refund_policy": refund_policy,
        "issue_on": issue_on,
    }

    async def step(session: Any) -> None:
        await session.execute(insert(Program.__table__), {**program, **settings})
        await session.execute(insert(Product.__table__), _products(made))
        await session.execute(insert(VoucherProgram.__table__), {**_voucher_program(made), **terms})
        if excluding_late_fee:
            ruling = {"product_id": made.late_fee_id, "ruling": ProductRuling.EXCLUDED}
            about = {"program_id": program_id, "voucher_program_id": made.voucher_program_id}
            await session.execute(insert(VoucherProgramProduct.__table__), {**about, **ruling})

    await database.run(step)
    return made


def _products(made: Shop) -> Sequence[dict[str, object]]:
    shared = {"program_id": made.program_id, "currency": "USD"}
    fee = {"id": made.fee_id, "code": "APP", "name": "Application fee", "name_key": "application fee"}
    late = {"id": made.late_fee_id, "code": "LATE", "name": "Late fee", "name_key": "late fee"}
    return [{**shared, **fee, "price_minor": FEE_MINOR}, {**shared, **late, "price_minor": 5_000}]


def _voucher_program(made: Shop) -> dict[str, object]:
    return {
        "program_id": made.program_id,
        "id": made.voucher_program_id,
        "name": "Application vouchers",
        "name_key": "application vouchers",
        "face_value_minor": FEE_MINOR,
        "currency": "USD",
        "by_card": True,
        "by_purchase_order": True,
        "billed_later": True,
        "refund_days": None,
        "valid_days": None,
        "valid_through": None,
        "created_at": NOON,
    }
