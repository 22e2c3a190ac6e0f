"""What can be paid for, and what a payment's outcome does to it.

Add a line to PAID_FOR for another kind. Its functions live where it is settled, in a module that imports nothing of
`resolvers.payments` but `rows`, `starting` and `returning`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from models.program_events import ProgramThing
from resolvers.checkout import deciding
from resolvers.loaders.checkouts import checkout_of
from resolvers.payments.rows import PaysFor
from resolvers.programs.acting import ProgramAct
from resolvers.statements import paying
from resolvers.voucher_orders.finding import seen_order
from resolvers.voucher_orders.settling import decline, leave_unknown, settle_paid
from resolvers.vouchers.codes import CodeKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidFor:
    """Each is asked with the key of the subject, in the transaction that keeps the gateway's answer, and once or more
    often: what it changes, it changes by one conditional update."""

    # What an event about its money is about.
    thing: ProgramThing
    # The key of that thing.
    thing_id: Callable[[ProgramAct, int], Awaitable[int]]
    # Raises NotFound for who may not pay it.
    seen: Callable[[ProgramAct, int], Awaitable[object]]
    # False: it cannot take the money (any more), so that it goes back.
    paid: Callable[[ProgramAct, CodeKeys | None, int], Awaitable[bool]]
    # With the reason, in words. Nothing was charged.
    declined: Callable[[ProgramAct, int, str], Awaitable[object]]
    unknown: Callable[[ProgramAct, int], Awaitable[object]]


async def _itself(act: ProgramAct, subject_id: int) -> int:
    return subject_id


async def _its_cart(act: ProgramAct, checkout_id: int) -> int:
    return (await checkout_of(act.session, act.program_id, checkout_id)).cart_id


PAID_FOR: Mapping[PaysFor, PaidFor] = {
    PaysFor.VOUCHER_ORDER: PaidFor(
        thing=ProgramThing.VOUCHER_ORDER,
        thing_id=_itself,
        seen=seen_order,
        paid=settle_paid,
        declined=decline,
        unknown=leave_unknown,
    ),
    PaysFor.CHECKOUT: PaidFor(
        thing=ProgramThing.CART,
        thing_id=_its_cart,
        seen=deciding.seen_checkout,
        paid=deciding.paid,
        declined=deciding.declined,
        unknown=deciding.unknown,
    ),
    PaysFor.STATEMENT: PaidFor(
        thing=ProgramThing.STATEMENT,
        thing_id=_itself,
        seen=paying.seen_statement,
        paid=paying.paid_by_card,
        declined=paying.declined,
        unknown=paying.left_unknown,
    ),
}
