"""Completing a cart from the yes of its person to the answer of the gateway: three transactions at most.

Frozen and written down; claimed; decided. Between the last two the gateway is asked. Wherever this ends, what is
written tells the worker what to look up.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from resolvers.checkout.freezing import Completing, begin_once
from resolvers.database import First, Writing
from resolvers.gateways.gateway import Answer, Gateways
from resolvers.loaders.checkouts import CheckoutRow, checkout_of
from resolvers.payments.charging import Means, charge
from resolvers.payments.rows import PaysFor, Subject
from resolvers.principal import Principal
from resolvers.programs.acting import begin_act


@dataclass(frozen=True, slots=True)
class Completed:
    """What became of it so far; the answer tells the person what to do next, where there is anything."""

    checkout_id: int
    answer: Answer | None = None


async def complete_cart(
    run: Writing,
    gateways: Gateways,
    principal: Principal,
    now: dt.datetime,
    program_id: int,
    key: str,
    asked: Completing,
) -> Completed:
    """The same key and input again gives the same checkout, and charges nothing twice."""

    async def begin(session: AsyncSession) -> CheckoutRow:
        act = await begin_act(session, principal, now, program_id)
        return await checkout_of(session, program_id, await begin_once(act, gateways, key, asked))

    checkout = await run(First(begin))
    gateway = gateways.get(checkout.gateway)
    if not checkout.by_card_minor or gateway is None:
        return Completed(checkout.id)
    means = Means(payment_method=asked.payment_method, pinned_to=f"cart version {checkout.cart_version}")
    subject = Subject(PaysFor.CHECKOUT, checkout.id)
    return Completed(checkout.id, await charge(run, gateway, None, principal, now, program_id, subject, means))
