"""What tests of statements share: a client on account, whose September was closed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from models.ids import encode_id
from models.money import Money
from models.voucher_programs import VoucherFunding
from resolvers.gateways.gateway import Gateways
from resolvers.principal import Principal
from resolvers.statements.closing import close_month
from resolvers.vouchers.redeeming import Redeeming, redeem_once
from schema.context import Context
from schema.root import schema
from server.database import Database
from tests.asking import Answer
from tests.builders import STAFF
from tests.code_keys import CODE_KEYS
from tests.vouchering import FEE_MINOR, Shop, shop

SEPTEMBER, OCTOBER = dt.date(2017, 9, 1), dt.date(2017, 10, 1)
CLOSED = dt.datetime(2017, 10, 2, 12, tzinfo=dt.UTC)
FEE = Money(FEE_MINOR, "USD")
CAP_MINOR = 100 * FEE_MINOR


def at(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{day}:00Z")


@dataclass
class Account:
    """A shop whose client is billed later, since the middle of August."""

    market: Shop
    agreement_key: int

    @property
    def agreement(self) -> str:
        return encode_id("BillingAgreement", self.market.program_id, self.agreement_key)

    async def redeems(self, *moments: str, reference: str = "A") -> list[int]:
        """A fee each, at these moments: the vouchers that paid."""
        stocked = await self.market.stock(CODE_KEYS, len(moments), funding=VoucherFunding.BILL_LATER)
        for voucher, moment in zip(stocked, moments, strict=True):
            paid = Redeeming(product_id=self.market.fee_id, reference=reference, voucher_id=voucher.id)
            await self.market.act(
                lambda act, paid=paid: redeem_once(act, CODE_KEYS, f"r{paid.voucher_id}", paid),
                by=STAFF,
                at=at(moment),
            )
        return [voucher.id for voucher in stocked]

    async def closes(self, month: dt.date, now: dt.datetime = CLOSED) -> str:
        """The statement's id."""
        made = await self.market.act(lambda act: close_month(act, self.agreement_key, month), by=STAFF, at=now)
        assert made is not None
        return encode_id("Statement", self.market.program_id, made)

    async def ask(
        self, query: str, by: Principal, gateways: Gateways | None = None, now: dt.datetime = CLOSED, **given: Any
    ) -> Answer:
        """As HTTP would, at a moment of their own."""
        reading, run = self.market.database.reading, self.market.database.run
        context = Context(by, now, reading, run, code_keys=CODE_KEYS, gateways=gateways or {})
        result = await schema.execute(query, variable_values=given, context_value=context)
        errors = result.errors or []
        codes = [getattr(getattr(e.original_error, "code", None), "name", e.message) for e in errors]
        return Answer(result.data or {}, codes, [e.message for e in errors])


async def account(database: Database) -> Account:
    market = await shop(database)
    market.now = at("2017-08-15T12:00")
    return Account(market, await market.agreement(CAP_MINOR))
