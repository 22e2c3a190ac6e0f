"""Which vouchers a person may use, and how much of each: what is free, and what their own cart holds of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Select, and_, bindparam, case, select

from models.base import Instant
from models.batches import as_parameter, asked
from models.money import Money
from models.products import ProductRule
from models.voucher_programs import Leftovers, Transferability, VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.loaders.voucher_programs import InProgram, VoucherProgramRow, voucher_programs_by_key
from resolvers.prepared import prepared
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.finding import PROGRAM, assigned_to_person, is_opened, typed_in
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER

# Of what is assigned to a person no more than this is looked at, those that expire first first.
MOST_CANDIDATES = 50


class OfferedVoucher(NamedTuple):
    """As it is in this transaction, for one person."""

    voucher_id: int
    organization_id: int
    voucher_program_id: int
    funding: VoucherFunding
    standing: VoucherStanding
    remaining_minor: int
    held_minor: int
    currency: str
    last_four: str
    expires_at: dt.datetime
    assignment_id: int | None
    leftovers: Leftovers
    transferability: Transferability
    is_theirs: bool
    # Its voucher program.
    name: str = ""
    rule: ProductRule = ProductRule((), ())

    @property
    def forfeits_rest(self) -> bool:
        return self.leftovers is Leftovers.FORFEIT

    @property
    def billed_later(self) -> bool:
        return self.funding is VoucherFunding.BILL_LATER

    def is_usable(self, now: dt.datetime) -> bool:
        return self.standing is VoucherStanding.LIVE and self.expires_at > now

    def is_for_person(self) -> bool:
        """Once assigned it is for nobody but its assignee; before that for whoever knows the code, if so sold."""
        return self.is_theirs if self.assignment_id else self.transferability is Transferability.BEARER

    def free_minor(self, own_minor: int) -> int:
        """What a cart may hold that holds so much already. What forfeits its rest is used by one cart only."""
        if self.forfeits_rest and self.held_minor > own_minor:
            return own_minor
        return self.remaining_minor - self.held_minor + own_minor

    def money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.currency)


async def offered(act: ProgramAct, voucher_ids: Collection[int], person_id: int) -> dict[int, OfferedVoucher]:
    if not voucher_ids:
        return {}
    wanted = {
        "program": act.program_id,
        "person": person_id,
        "ids": as_parameter((key,) for key in sorted(voucher_ids)),
    }
    return await _with_terms(act, await _by_id.rows(act.session, wanted))


@prepared
def _by_id() -> Select[Any]:
    ids = select(asked("ids", "id").c.id)
    return _vouchers(bindparam("person")).where(VOUCHER.c.program_id == bindparam("program"), VOUCHER.c.id.in_(ids))


async def usable_by_code(act: ProgramAct, keys: CodeKeys, typed: str, person_id: int) -> int | None:
    """The voucher whose live code somebody meant, if this person may use it now. Whatever keeps them from it is found
    by the same one statement, so that its time tells nothing."""
    row = await _by_code.first(act.session, typed_in(act, keys, typed) | {"person": person_id})
    found = OfferedVoucher(*row) if row else None
    return found.voucher_id if found and found.is_usable(act.now) and found.is_for_person() else None


@prepared
def _by_code() -> Select[Any]:
    return _vouchers(bindparam("person")).where(is_opened())


async def assigned_vouchers(act: ProgramAct, person_id: int, currency: str) -> dict[int, OfferedVoucher]:
    """What is assigned to the person and can be used now, soonest expiry first."""
    wanted = {"program": act.program_id, "now": act.now, "currency": currency, "person": person_id}
    return await _with_terms(act, await _assigned.rows(act.session, wanted))


@prepared
def _assigned() -> Select[Any]:
    person_id: BindParameter[int] = bindparam("person")
    own = and_(VOUCHER.c.program_id == bindparam("program"), VOUCHER.c.currency == bindparam("currency"))
    live = and_(VOUCHER.c.standing == VoucherStanding.LIVE, VOUCHER.c.expires_at > bindparam("now", type_=Instant))
    theirs = _vouchers(person_id).where(own, live, assigned_to_person(person_id))
    return theirs.order_by(VOUCHER.c.expires_at, VOUCHER.c.id).limit(MOST_CANDIDATES)


def _vouchers(person_id: BindParameter[int]) -> Select[Any]:
    """Columns in the order of OfferedVoucher."""
    own = [VOUCHER.c[name] for name in OfferedVoucher._fields[1:11]]
    theirs = case((assigned_to_person(person_id), 1), else_=0)
    sold_as = and_(PROGRAM.c.program_id == VOUCHER.c.program_id, PROGRAM.c.id == VOUCHER.c.voucher_program_id)
    assigned = and_(ASSIGNMENT.c.program_id == VOUCHER.c.program_id, ASSIGNMENT.c.id == VOUCHER.c.assignment_id)
    joined = VOUCHER.join(PROGRAM, sold_as).outerjoin(ASSIGNMENT, assigned)
    return select(VOUCHER.c.id, *own, PROGRAM.c.leftovers, PROGRAM.c.transferability, theirs).select_from(joined)


async def _with_terms(act: ProgramAct, found: Sequence[Sequence[Any]]) -> dict[int, OfferedVoucher]:
    rows = [OfferedVoucher(*row) for row in found]
    terms = await _terms(act, rows)
    return {row.voucher_id: _sold_as(row, terms[row.voucher_program_id]) for row in rows}


async def _terms(act: ProgramAct, rows: Sequence[OfferedVoucher]) -> dict[int, VoucherProgramRow]:
    ids = sorted({row.voucher_program_id for row in rows})
    found = await voucher_programs_by_key(act.session, [InProgram(act.program_id, i) for i in ids]) if ids else []
    return {terms.id: terms for terms in found}


def _sold_as(row: OfferedVoucher, terms: VoucherProgramRow) -> OfferedVoucher:
    return row._replace(is_theirs=bool(row.is_theirs), name=terms.name, rule=terms.rule)
