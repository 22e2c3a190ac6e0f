"""What a voucher is shown as: one rule, for a row in memory and as a condition of a statement."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, or_

from models.vouchers import Voucher, VoucherStanding

VOUCHER = Voucher.__table__


class VoucherState(Enum):
    AVAILABLE = "it can be used, and is assigned to nobody"
    ASSIGNED = "it is assigned, and nothing of it was redeemed"
    PARTLY_REDEEMED = "part of it was redeemed, and the rest can still be"
    REDEEMED = "all of it was redeemed"
    EXPIRED = "its last moment has passed"
    REVOKED = "the organization revoked it: a reissue revives it"
    REFUNDED = "what was left of it was given back"
    CANCELLED = "its order was cancelled before it was paid"


class Stateful(Protocol):
    """What the state of a voucher is read from."""

    @property
    def standing(self) -> VoucherStanding: ...
    @property
    def expires_at(self) -> dt.datetime: ...
    @property
    def captured_minor(self) -> int: ...
    @property
    def reversed_minor(self) -> int: ...
    @property
    def assignment_id(self) -> int | None: ...


ENDED = {
    VoucherStanding.SPENT: VoucherState.REDEEMED,
    VoucherStanding.EXPIRED: VoucherState.EXPIRED,
    VoucherStanding.REVOKED: VoucherState.REVOKED,
    VoucherStanding.REFUNDED: VoucherState.REFUNDED,
    VoucherStanding.CANCELLED: VoucherState.CANCELLED,
}


def state_of(voucher: Stateful, now: dt.datetime) -> VoucherState:
    """A live one past its last moment has expired, whether or not its value has gone to breakage yet."""
    if voucher.standing is not VoucherStanding.LIVE:
        return ENDED[voucher.standing]
    if voucher.expires_at <= now:
        return VoucherState.EXPIRED
    if voucher.captured_minor > voucher.reversed_minor:
        return VoucherState.PARTLY_REDEEMED
    return VoucherState.AVAILABLE if voucher.assignment_id is None else VoucherState.ASSIGNED


def is_in_state(state: VoucherState, now: ColumnElement[Any]) -> ColumnElement[bool]:
    """`state_of` of a row of the table."""
    ended = [VOUCHER.c.standing == standing for standing, shown in ENDED.items() if shown is state]
    live = VOUCHER.c.standing == VoucherStanding.LIVE
    usable, redeemed = VOUCHER.c.expires_at > now, VOUCHER.c.captured_minor > VOUCHER.c.reversed_minor
    if state is VoucherState.EXPIRED:
        return or_(*ended, and_(live, ~usable))
    if ended:
        return or_(*ended)
    if state is VoucherState.PARTLY_REDEEMED:
        return and_(live, usable, redeemed)
    unassigned = VOUCHER.c.assignment_id.is_(None)
    return and_(live, usable, ~redeemed, unassigned if state is VoucherState.AVAILABLE else ~unassigned)
