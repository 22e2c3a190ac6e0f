"""What a careful clerk notes on paper beside a counter: what each voucher is worth, what was shown and charged, what
is owed. It takes the system's word for one thing only: how a cart shares its lines among what pays for them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from models.carts import CartState
from models.interval import BEGINNING, FOREVER
from models.vouchers import VoucherStanding
from resolvers.loaders.carts import AppliedRow, CartRow

ALIVE = (VoucherStanding.LIVE, VoucherStanding.REVOKED)


@dataclass
class Worth:
    """Of a voucher or a promotion: what was put in is there, or was spent, or is lost."""

    id: int
    face_minor: int
    left_minor: int
    later: bool = False
    spent_minor: int = 0
    lost_minor: int = 0

    def must_balance(self) -> None:
        assert self.face_minor == self.left_minor + self.spent_minor + self.lost_minor, self
        assert min(self.left_minor, self.spent_minor, self.lost_minor) >= 0, self

    def pays(self, minor: int) -> None:
        self.left_minor -= minor
        self.spent_minor += minor

    def gets_back(self, minor: int, restored_minor: int) -> None:
        self.spent_minor -= minor
        self.left_minor += restored_minor
        self.lost_minor += minor - restored_minor

    def loses_rest(self) -> None:
        self.lost_minor += self.left_minor
        self.left_minor = 0


@dataclass
class Card(Worth):
    """A voucher."""

    # The live one, or the last that died.
    code: str = ""
    opens: bool = True
    expires_at: dt.datetime = FOREVER
    standing: VoucherStanding = VoucherStanding.LIVE
    # Which of the buyers it is assigned to.
    assignee: int | None = None

    def is_usable(self, now: dt.datetime) -> bool:
        return self.standing is VoucherStanding.LIVE and self.expires_at > now

    def may_be_revived(self, now: dt.datetime) -> bool:
        return self.standing in ALIVE and self.expires_at > now

    def ends(self, standing: VoucherStanding) -> None:
        self.standing, self.opens, self.assignee = standing, False, None

    def lives(self, code: str | None) -> None:
        """Under a code that nobody has typed yet, if it is not told."""
        self.standing, self.code, self.opens = VoucherStanding.LIVE, code or self.code, code is not None


@dataclass(frozen=True)
class Held:
    """What something on a cart was shown to pay, of which line."""

    row: AppliedRow
    by_line: Mapping[int, int]

    @property
    def payer(self) -> int:
        return self.row.voucher_id or self.row.promotion_id or 0


@dataclass
class Basket:
    """A cart, as it was last shown."""

    whose: int
    row: CartRow
    quantities: dict[int, int]
    held: list[Held] = field(default_factory=list)
    shown_version: int = 0
    state: CartState = CartState.OPEN
    tries: int = 0
    # Each charge that the gateway made for it.
    charged: list[int] = field(default_factory=list)
    # When its gateway gave no answer, and whether it charged.
    unanswered: tuple[dt.datetime, bool] | None = None
    taken_off: set[int] = field(default_factory=set)
    # Of its last try: the key, and what was seen.
    last: tuple[str, CartRow, int] | None = None

    @property
    def due_minor(self) -> int:
        return self.row.total_minor - self.row.by_vouchers_minor

    @property
    def is_alive(self) -> bool:
        return self.state in (CartState.OPEN, CartState.COMPLETING)

    def held_of(self, payer: int) -> int:
        return sum(one.row.held_minor for one in self.held if one.payer == payer)

    def holds(self, payer: int) -> bool:
        return any(one.payer == payer for one in self.held)


@dataclass
class Bought:
    """An order: of each line what it came to, what a card paid of it, and what was given back."""

    id: int
    amounts: dict[int, int]
    by_card: dict[int, int]
    back: dict[int, int] = field(default_factory=dict)

    def left_minor(self, line: int) -> int:
        return self.amounts[line] - self.back.get(line, 0)

    def gives_back(self, line: int, minor: int) -> int:
        """What of it goes to the card."""
        before = self.back.get(line, 0)
        self.back[line] = before + minor
        return min(minor, max(0, self.by_card[line] - before))


@dataclass
class Account:
    """What an organization redeemed to pay later: noted with its moment until it is on a statement."""

    waiting: list[tuple[dt.datetime, int]] = field(default_factory=list)
    carried_minor: int = 0
    # What is to be paid, by statement; and which statement is of which month.
    due: dict[int, int] = field(default_factory=dict)
    months: dict[dt.date, int] = field(default_factory=dict)
    closed_until: dt.datetime = BEGINNING

    def owes(self, now: dt.datetime, minor: int) -> None:
        """More, or less; nothing counts in a month that is closed."""
        self.waiting.append((max(now, self.closed_until), minor))

    @property
    def unbilled_minor(self) -> int:
        return self.carried_minor + sum(minor for _, minor in self.waiting)

    def close(self, until: dt.datetime) -> int | None:
        """What the statement comes to; None if there is nothing to put on one."""
        if until <= self.closed_until:
            return None
        self.closed_until = until
        billed = [one for one in self.waiting if one[0] < until]
        if not billed:
            return None
        self.waiting = [one for one in self.waiting if one not in billed]
        total = self.carried_minor + sum(minor for _, minor in billed)
        self.carried_minor = min(total, 0)
        return total


@dataclass
class Paper:
    """Everything that is noted of one counter."""

    # Whether what a voucher does not pay is lost.
    forfeits: bool
    promotion: Worth
    cards: list[Card] = field(default_factory=list)
    baskets: list[Basket] = field(default_factory=list)
    orders: list[Bought] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    stopped: bool = False
    # Given back to cards, and what the gateway is still to be asked for.
    returned_minor: int = 0
    to_return_minor: int = 0

    @property
    def charged_minor(self) -> int:
        return sum(sum(basket.charged) for basket in self.baskets)

    def worth_of(self, payer: int) -> Worth:
        return next((card for card in self.cards if card.id == payer), self.promotion)

    def held_of(self, payer: int) -> int:
        return sum(basket.held_of(payer) for basket in self.baskets)

    def is_being_paid(self, payer: int) -> bool:
        return any(one.state is CartState.COMPLETING and one.holds(payer) for one in self.baskets)

    def spends(self, basket: Basket, now: dt.datetime) -> None:
        """What was shown to pay has paid."""
        for held in basket.held:
            worth, minor = self.worth_of(held.payer), held.row.held_minor
            if not minor:
                continue
            worth.pays(minor)
            if worth.later:
                self.account.owes(now, minor)
            if isinstance(worth, Card):
                self._is_used(worth)
        basket.state, basket.held, basket.unanswered = CartState.COMPLETED, [], None

    def _is_used(self, card: Card) -> None:
        if self.forfeits:
            card.loses_rest()
        if not card.left_minor:
            card.ends(VoucherStanding.SPENT)

    def expires(self, now: dt.datetime) -> None:
        for card in self.cards:
            if card.standing in ALIVE and card.expires_at <= now and not self.is_being_paid(card.id):
                card.loses_rest()
                card.ends(VoucherStanding.EXPIRED)


def shares(applied: Collection[AppliedRow], allocated: Mapping[int, Mapping[int, int]]) -> list[Held]:
    return [Held(row, allocated.get(row.id, {})) for row in applied if row.is_live]
