"""What each voucher on a cart is to pay of which line: decided from what was loaded, before anything is moved."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from models.allocation import Line, Offer, allocate
from models.carts import AppliedBy
from models.promotions import PromotedLine, PromotionState, benefit
from resolvers.carts.credit import Agreed, agreements_in_force
from resolvers.carts.offering import OfferedVoucher, offered
from resolvers.loaders.carts import AppliedRow, CartLineRow, CartRow
from resolvers.loaders.promotions import PromotionRow, promotions_by_key
from resolvers.loaders.voucher_programs import InProgram
from resolvers.programs.acting import ProgramAct

HOLDABLE = (PromotionState.USABLE, PromotionState.FULL)


@dataclass(frozen=True, slots=True)
class Stock:
    """What may pay on a cart, as it is in this transaction; nothing where its gateway takes no vouchers."""

    currency: str
    now: dt.datetime
    vouchers: Mapping[int, OfferedVoucher] = field(default_factory=dict)
    promotions: Mapping[int, PromotionRow] = field(default_factory=dict)
    # By organization.
    agreed: Mapping[int, Agreed] = field(default_factory=dict)

    def voucher_of(self, row: AppliedRow) -> OfferedVoucher | None:
        """None if its person may not use it, now."""
        found = self.vouchers.get(row.voucher_id or 0)
        return found if found and found.is_usable(self.now) and found.is_for_person() else None

    def promotion_of(self, row: AppliedRow) -> PromotionRow | None:
        found = self.promotions.get(row.promotion_id or 0)
        return found if found and found.state(self.now) in HOLDABLE else None

    def agreement_of(self, row: AppliedRow) -> int | None:
        """Under which it is billed later; None if it is prepaid, or if there is none."""
        payer = self.voucher_of(row) or self.promotion_of(row)
        agreed = self.agreed.get(payer.organization_id) if payer and payer.billed_later else None
        return agreed.agreement_id if agreed else None

    def is_usable(self, row: AppliedRow) -> bool:
        return (self.voucher_of(row) or self.promotion_of(row)) is not None


Amounts = Mapping[int, Mapping[int, int]]
"""By what is applied, and by line, in minor units."""


async def stock_of(act: ProgramAct, cart: CartRow, applied: Sequence[AppliedRow]) -> Stock:
    vouchers = await offered(act, {row.voucher_id for row in applied if row.voucher_id}, cart.person_id)
    keys = [InProgram(act.program_id, row.promotion_id) for row in applied if row.promotion_id]
    promotions = {row.id: row for row in await promotions_by_key(act.session, keys)} if keys else {}
    return await with_credit(act, Stock(cart.currency, act.now, vouchers, promotions))


async def with_credit(act: ProgramAct, stock: Stock) -> Stock:
    later = {voucher.organization_id for voucher in stock.vouchers.values() if voucher.billed_later}
    later |= {promotion.organization_id for promotion in stock.promotions.values() if promotion.billed_later}
    return replace(stock, agreed=await agreements_in_force(act, later, stock.currency))


def share(stock: Stock, lines: Sequence[CartLineRow], applied: Sequence[AppliedRow]) -> Amounts:
    """The promotion takes its part off the lines first; vouchers pay what is left."""
    rooms = _rooms(stock, applied)
    off = _off(stock, lines, applied, rooms)
    taken: dict[int, int] = defaultdict(int)
    for amounts in off.values():
        for number, minor in amounts.items():
            taken[number] += minor
    due = [Line(line.number, line.amount_minor - taken[line.number]) for line in lines]
    offers = list(_offers(stock, lines, applied))
    paid = allocate(due, offers) if offers else {}
    caps = _caps(stock, applied, paid, rooms)
    if caps:
        paid = allocate(due, [replace(one, most_minor=caps.get(one.id, one.most_minor)) for one in offers])
    return {**off, **paid}


def paid_minor(amounts: Amounts) -> int:
    return sum(sum(of_lines.values()) for of_lines in amounts.values())


def held_by(amounts: Amounts, row: AppliedRow) -> int:
    return sum(amounts.get(row.id, {}).values())


def _off(
    stock: Stock, lines: Sequence[CartLineRow], applied: Sequence[AppliedRow], rooms: dict[int, int]
) -> dict[int, dict[int, int]]:
    promoted = [PromotedLine(line.number, line.product_id, line.amount_minor) for line in lines]
    off: dict[int, dict[int, int]] = {}
    for row in applied:
        promotion = stock.promotion_of(row)
        if promotion is None or promotion.currency != stock.currency:
            continue
        left = promotion.free_minor + row.held_minor
        agreement = stock.agreement_of(row) or 0
        if promotion.billed_later:
            left = min(left, max(0, rooms.get(agreement, 0)))
        off[row.id] = benefit(replace(promotion.terms, left_minor=left), promoted)
        if promotion.billed_later:
            rooms[agreement] = rooms.get(agreement, 0) - sum(off[row.id].values())
    return off


def _offers(stock: Stock, lines: Sequence[CartLineRow], applied: Sequence[AppliedRow]) -> Iterator[Offer]:
    for row in applied:
        voucher = stock.voucher_of(row)
        if voucher is None or voucher.currency != stock.currency:
            continue
        if voucher.billed_later and stock.agreement_of(row) is None:
            continue
        free = voucher.free_minor(row.held_minor)
        yield Offer(
            id=row.id,
            most_minor=free if row.named_minor is None else min(free, row.named_minor),
            worth_minor=free,
            forfeits_rest=voucher.forfeits_rest,
            lines=frozenset(line.number for line in lines if voucher.rule.admits(line.product_id)),
            expires_at=voucher.expires_at,
        )


# ------------------------------------------------------------------------------------------------ billed later


def _rooms(stock: Stock, applied: Sequence[AppliedRow]) -> dict[int, int]:
    """What may be held under each agreement, with what this cart holds already."""
    rooms = {agreed.agreement_id: agreed.room_minor for agreed in stock.agreed.values()}
    for row in applied:
        if row.billing_agreement_id in rooms:
            rooms[row.billing_agreement_id] += row.held_minor
    return rooms


def _caps(stock: Stock, applied: Sequence[AppliedRow], paid: Amounts, rooms: Mapping[int, int]) -> dict[int, int]:
    """Where those of one agreement would be more than it has room for: those that expire first pay as they would, and
    the others what is left of the room."""
    later = [(row, agreement) for row in applied if row.voucher_id and (agreement := stock.agreement_of(row))]
    wanted: dict[int, int] = defaultdict(int)
    for row, agreement in later:
        wanted[agreement] += held_by(paid, row)
    left, caps = dict(rooms), {}
    for row, agreement in sorted(later, key=lambda one: (one[0].expires_at or stock.now, one[0].id)):
        if wanted[agreement] > rooms.get(agreement, 0):
            caps[row.id] = min(held_by(paid, row), max(0, left.get(agreement, 0)))
            left[agreement] = left.get(agreement, 0) - caps[row.id]
    return caps


def is_needless(row: AppliedRow, amounts: Amounts) -> bool:
    """What applied by itself and pays nothing leaves again, until it is needed; so does a promotion, of which a use is
    held for nobody who has nothing of it."""
    return not held_by(amounts, row) and (row.applied_by is AppliedBy.ASSIGNMENT or row.promotion_id is not None)
