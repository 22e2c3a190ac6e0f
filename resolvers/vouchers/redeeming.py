"""A fee that is paid at the counter of the program, wholly by one voucher, in one transaction.

Everything about a code that cannot be used is one refusal. What a voucher cannot pay is said with figures, once it is
clear that whoever has it may use it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import insert, select

from models.errors import DomainError, NotFound, VoucherError, VoucherErrorCode
from models.learners import Learner
from models.ledger import LedgerEvent
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.redemptions import FeeChannel, FeeOrder, FeeOrderLine, Redemption
from models.voucher_programs import Leftovers
from resolvers.accounts import account_of_person
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.voucher_programs import ProductRow, product_of, voucher_program_of
from resolvers.programs.acting import ProgramAct, Told, once_in_program, tell
from resolvers.statements.owing import OnAccount, owe
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.finding import (
    FoundVoucher,
    find_by_code,
    is_assigned_to_person,
    must_be_reference,
    must_find,
    refuse_dead,
)
from resolvers.vouchers.moving import capture

LEARNER = Learner.__table__
DEED = "redeem vouchers at the counter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeeming:
    """What is to be paid, and by which voucher: give its code or its id."""

    product_id: int
    # By which the program's own systems know it.
    reference: str
    code: str | None = field(default=None, repr=False)
    voucher_id: int | None = None
    # What whoever stands at the counter expects to be due; None takes what is.
    amount: Money | None = None
    # Who stands at the counter: a learner, or a person by their account.
    learner: LearnerKey | None = None
    person_id: int | None = None


async def redeem_once(act: ProgramAct, keys: CodeKeys, key: str, asked: Redeeming) -> int:
    act.principal.must_run(act.program_id, DEED)
    return await once_in_program(act, key, "voucherRedeem", asked, lambda: redeem(act, keys, asked))


async def redeem(act: ProgramAct, keys: CodeKeys, asked: Redeeming) -> int:
    """The key of the redemption."""
    act.principal.must_run(act.program_id, DEED)
    reference = must_be_reference(asked.reference, "reference")
    product = await product_of(act.session, act.program_id, asked.product_id, "product")
    found = await _usable(act, keys, asked)
    await _refuse_unfit(act, found, product)
    _refuse_other_amount(product.price, asked.amount)
    forfeited = await _capture(act, found, product.price, asked)
    account = await owe(act, found.organization_id, product.price) if found.billed_later else None
    redemption_id = await _write(act, found, product, reference, await _person_of(act, found, asked), account)
    await _post(act, found, redemption_id, product.price, forfeited)
    await tell(act, _told(found, product, forfeited))
    return redemption_id


async def voucher_of_redemption(act: ProgramAct, redemption_id: int) -> int:
    table = Redemption.__table__
    of_it = select(table.c.voucher_id).where(table.c.program_id == act.program_id, table.c.id == redemption_id)
    return int((await act.session.execute(of_it)).scalar_one())


# --------------------------------------------------------------------------------------------- may it be used


async def _usable(act: ProgramAct, keys: CodeKeys, asked: Redeeming) -> FoundVoucher:
    found = await _find(act, keys, asked)
    if found is None or not found.is_usable(act.now) or not await _is_for(act, found, asked):
        raise _not_usable(asked)
    return found


async def _is_for(act: ProgramAct, found: FoundVoucher, asked: Redeeming) -> bool:
    if asked.person_id is not None and found.assignment_id is not None:
        return await is_assigned_to_person(act, found.voucher_id, asked.person_id)
    return found.is_for(asked.learner)


async def _find(act: ProgramAct, keys: CodeKeys, asked: Redeeming) -> FoundVoucher | None:
    if asked.voucher_id is None:
        return await find_by_code(act, keys, asked.code or "")
    found = await must_find(act, asked.voucher_id, "by", "voucher")
    # Of a voucher that the program's staff look at they see the state anyway.
    refuse_dead(act, found, "by", "voucher")
    return found


def _not_usable(asked: Redeeming) -> VoucherError:
    code = VoucherErrorCode.CODE_NOT_USABLE
    return VoucherError(code, code.value, "by", "voucher" if asked.voucher_id is not None else "code")


# ------------------------------------------------------------------------------------------------ does it fit


async def _refuse_unfit(act: ProgramAct, found: FoundVoucher, product: ProductRow) -> None:
    terms = await voucher_program_of(act.session, act.program_id, found.voucher_program_id)
    if product.retired_at is not None and product.retired_at <= act.now:
        raise _refusal(VoucherErrorCode.STOPPED, f"{product.name} is sold no more.", "product")
    if not terms.rule.admits(product.id):
        ruled = "excluded from" if product.id in terms.excluded else "not among the products of"
        raise _does_not_fit(f"{product.name} is {ruled} {terms.name}, so this voucher may not pay for it.")
    if product.currency != found.currency:
        said = f"The voucher is in {found.currency}, {product.name} costs {product.price}, and currencies never mix."
        raise _does_not_fit(said)
    if not product.price_minor:
        raise _does_not_fit(f"Nothing is due for {product.name}, so no voucher is needed.")


def _refuse_other_amount(due: Money, amount: Money | None) -> None:
    if amount is None or amount == due:
        return
    if amount.currency != due.currency:
        raise _does_not_fit(f"{due} is due, and {amount} was named: currencies never mix.", "amount")
    code = VoucherErrorCode.VOUCHER_EXCEEDS_DUE if amount > due else VoucherErrorCode.AMOUNT_MUST_EQUAL_TOTAL
    raise _refusal(code, f"{due} is due, and {amount} was named. Nothing was redeemed.", "amount")


async def _capture(act: ProgramAct, found: FoundVoucher, due: Money, asked: Redeeming) -> int:
    """What was forfeited by it."""
    if found.free < due:
        raise _does_not_fit(f"{due} is due, and {found.free} can be taken from the voucher. Nothing was redeemed.")
    forfeits = found.leftovers is Leftovers.FORFEIT
    forfeited = await capture(act, found.voucher_id, due.amount_minor, forfeits_rest=forfeits)
    if forfeited is None:
        raise _not_usable(asked)
    return forfeited


def _does_not_fit(said: str, at: str = "product") -> DomainError:
    return _refusal(VoucherErrorCode.VOUCHER_DOES_NOT_FIT, said, at)


def _refusal(code: VoucherErrorCode, said: str, at: str) -> VoucherError:
    return VoucherError(code, said, at)


# -------------------------------------------------------------------------------------------------- it is paid


async def _write(
    act: ProgramAct,
    found: FoundVoucher,
    product: ProductRow,
    reference: str,
    person_id: int | None,
    account: OnAccount | None,
) -> int:
    fee_order_id, redemption_id = act.keys.take(), act.keys.take()
    about = {"program_id": act.program_id, "currency": product.currency}
    order = {
        "id": fee_order_id,
        "channel": FeeChannel.COUNTER,
        "person_id": person_id,
        "reference": reference,
        "total_minor": product.price_minor,
        "by_vouchers_minor": product.price_minor,
        "by_card_minor": 0,
        "completed_at": act.now,
    }
    await act.session.execute(insert(FeeOrder.__table__), {**about, **order})
    line = {"program_id": act.program_id, "fee_order_id": fee_order_id, "number": 1, "product_id": product.id}
    await act.session.execute(
        insert(FeeOrderLine.__table__), {**line, "quantity": 1, "unit_price_minor": product.price_minor}
    )
    redemption = {
        "id": redemption_id,
        "fee_order_id": fee_order_id,
        "line_number": 1,
        "voucher_id": found.voucher_id,
        "organization_id": found.organization_id,
        "billing_agreement_id": account and account.agreement_id,
        "assignment_id": found.assignment_id,
        "amount_minor": product.price_minor,
        "redeemed_at": account.counts_at if account else act.now,
    }
    await act.session.execute(insert(Redemption.__table__), {**about, **redemption})
    return redemption_id


async def _person_of(act: ProgramAct, found: FoundVoucher, asked: Redeeming) -> int | None:
    """The account of the learner, if they have one; whoever is not there cannot stand at a counter."""
    if asked.person_id is not None:
        return await _must_be_there(act, asked.person_id)
    learner = asked.learner
    if learner is None:
        return None
    of_them = (LEARNER.c.organization_id == learner.organization_id) & (LEARNER.c.id == learner.learner_id)
    row = (await act.session.execute(select(LEARNER.c.person_id).where(of_them))).one_or_none()
    if row is None or learner.organization_id != found.organization_id:
        raise NotFound("learner", "learner")
    person_id: int | None = row.person_id
    return person_id


async def _must_be_there(act: ProgramAct, person_id: int) -> int:
    if await account_of_person(act.session, person_id) is None:
        raise NotFound("person", "person")
    return person_id


async def _post(act: ProgramAct, found: FoundVoucher, redemption_id: int, paid: Money, forfeited: int) -> None:
    """What is billed later was no liability: none of it is forfeited in the ledger."""
    event = LedgerEvent.REDEEMED_ON_ACCOUNT if found.billed_later else LedgerEvent.VOUCHER_REDEEMED
    entries = [_posting(found, redemption_id, event, paid)]
    if not found.billed_later:
        rest = Money(forfeited, paid.currency)
        entries.append(_posting(found, redemption_id, LedgerEvent.VALUE_FORFEITED, rest))
    await post(act, *entries)


def _posting(found: FoundVoucher, redemption_id: int, event: LedgerEvent, amount: Money) -> Posting:
    return Posting(
        event=event,
        amount=amount,
        organization_id=found.organization_id,
        voucher_order_id=found.voucher_order_id,
        voucher_id=found.voucher_id,
        redemption_id=redemption_id,
    )


def _told(found: FoundVoucher, product: ProductRow, forfeited: int) -> Told:
    left = Money(found.remaining_minor - product.price_minor - forfeited, found.currency)
    lost = f", {Money(forfeited, found.currency)} forfeited" if forfeited else ""
    return Told(
        thing=ProgramThing.VOUCHER,
        thing_id=found.voucher_id,
        deed=ProgramDeed.REDEEMED,
        said=f"{product.price} for {product.name[:100]}",
        before=f"{Money(found.remaining_minor, found.currency)} left",
        after=f"{left} left{lost}",
    )
