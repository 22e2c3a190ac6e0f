"""What else is done with vouchers of the demo's program: who is certified until when, a crowd and an applicant whom
GLOVIS America sponsors, and somebody who is invited.

Twelve people of Xtra Lease hold certifications, and a cohort of those that end by the spring can be looked at. GLOVIS
America pays for a promotion, and is billed later for vouchers: of an application half was paid by the one and half by
the other, and the statement of that month is closed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.money import Money
from models.organizations import Organization
from models.programs import Program
from models.voucher_programs import VoucherFunding
from models.vouchers import Voucher
from resolvers.accounts import register
from resolvers.carts.applying import Applying, apply
from resolvers.carts.lines import LineWanted
from resolvers.carts.opening import NewCart, open_cart
from resolvers.certifications import Certifying, set_certification
from resolvers.checkout.completing import complete_cart
from resolvers.checkout.freezing import Completing
from resolvers.cohorts.defining import CertificationFilter, CohortFilter, NewCohort
from resolvers.cohorts.standing import define
from resolvers.database import Writing
from resolvers.gateways.gateway import Gateways
from resolvers.history import Who
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, begin_act
from resolvers.programs.agreeing import set_cap
from resolvers.promotions.defining import NewPromotion, create_promotion
from resolvers.responsibility import Responsibility, set_responsibility
from resolvers.statements.closing import close_month
from resolvers.voucher_orders.approving import approve
from resolvers.voucher_orders.ordering import Ordering, order
from resolvers.voucher_orders.settling import settle
from resolvers.vouchers.assigning import Assigning, assign
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.inviting import Inviting, invite
from server.demo.stories import Client, day
from server.demo.vouchers import (
    CLIENT_CODE,
    CLIENT_SLUG,
    FACE_VALUE,
    PROGRAM,
    Board,
    Sold,
    at_hour,
    record_vouchers,
    stayed,
)
from server.gateways.known import MANUAL, Manual

T = TypeVar("T")
SPONSOR_SLUG, SPONSOR_NAME = "glovis-america", "GLOVIS America"
CERTIFICATION = "State appraiser"
CERTIFIED = 12
# Their last days are so many days apart; those before the spring are four in ten.
FIRST_LAST_DAY, DAYS_APART = "2017-11-30", 30
BY_THE_SPRING = CohortFilter(
    certification=CertificationFilter(name=CERTIFICATION, earliest=day("2017-11-01"), latest=day("2018-04-30"))
)
COHORT_BUDGET = FACE_VALUE * 8
CAP = Money(100_000, "USD")
PROMOTION_BUDGET = Money(62_500, "USD")
PROMOTION_CODE = "GET-LICENSED-2017"
APPLICANT, APPLICANT_ADDRESS = "Rosa Marsh", "rosa.marsh@applicants.example"
INVITED_ADDRESS = "nora.diaz@newhires.example"
# Nothing is left to pay here; a cart names a gateway all the same.
GATEWAYS: Gateways = {MANUAL.name: Manual(MANUAL)}


async def record_program(session: AsyncSession, client: Client, keys: CodeKeys) -> None:
    """All that happened in the program, to vouchers first."""
    sold = await record_vouchers(session, client, keys)
    await _certify(sold, client)
    await _define_cohort(sold)
    own = await session.execute(select(Organization.id).where(Organization.slug == SPONSOR_SLUG))
    await _sponsor(Sponsor(sold, own.scalar_one()))


# ------------------------------------------------------------------------------------------ certifications


async def _certify(sold: Sold, client: Client) -> None:
    board = sold.board
    who = Principal(name="LMS nightly sync", role=Role.STAFF, origin="demo")
    for place, number in enumerate(islice(stayed(client.stories), CERTIFIED)):
        learner = Who(organization_id=board.organization_id, external_id=f"{CLIENT_CODE}-{number:04}")
        until = day(FIRST_LAST_DAY) + dt.timedelta(days=DAYS_APART * place)
        said = Certifying(who=learner, name=CERTIFICATION, expires_on=until)
        await set_certification(board.session, who, at_hour("2017-10-17", place), said)


async def _define_cohort(sold: Sold) -> None:
    board = sold.board
    new = NewCohort(
        organization_id=board.organization_id,
        voucher_program_id=sold.voucher_program_id,
        chosen=BY_THE_SPRING,
        purpose="Renewal",
        name="Certified until the spring",
    )
    await define(await board.client_acts("2017-10-18", 16), new, COHORT_BUDGET)


# ---------------------------------------------------------------------------------------------- a sponsor


@dataclass(frozen=True, slots=True)
class Sponsor:
    sold: Sold
    organization_id: int

    @property
    def board(self) -> Board:
        return self.sold.board

    async def acts(self, date: str, hour: int = 15) -> ProgramAct:
        own = self.organization_id
        who = Principal(
            name=f"{SPONSOR_NAME}'s administrator", role=Role.ORGANIZATION, organization_id=own, origin="demo"
        )
        return replace(await self.board.acts(date, hour), principal=who)


async def _sponsor(sponsor: Sponsor) -> None:
    agreement_id = await set_cap(await sponsor.board.acts("2017-09-04"), sponsor.organization_id, CAP, "glovis")
    await _fund_promotion(sponsor)
    await _apply_for(sponsor, await _give_voucher(sponsor))
    await close_month(await sponsor.board.acts("2017-10-02"), agreement_id, day("2017-09-01"))


async def _fund_promotion(sponsor: Sponsor) -> None:
    board = sponsor.board
    new = NewPromotion(
        organization_id=sponsor.organization_id,
        name="Get licensed",
        code=PROMOTION_CODE,
        budget=PROMOTION_BUDGET,
        funding=VoucherFunding.PURCHASE_ORDER,
        percent_off=Decimal(50),
        most_uses=10,
        most_uses_a_person=1,
        included=[sponsor.sold.fees.application],
    )
    promotion_id = await create_promotion(await board.acts("2017-09-04", 16), new, "get-licensed")
    ordering = Ordering(
        organization_id=sponsor.organization_id,
        promotion_id=promotion_id,
        amount=PROMOTION_BUDGET,
        funding=VoucherFunding.PURCHASE_ORDER,
        purchase_order="GA-8812",
    )
    order_id = await order(await sponsor.acts("2017-09-05"), board.keys, ordering)
    await approve(await board.acts("2017-09-06"), board.keys, order_id)
    await settle(await board.acts("2017-09-08"), board.keys, order_id, "ACH 5120-3377")


async def _give_voucher(sponsor: Sponsor) -> Principal:
    """One of three that are billed later, to somebody for whom the sponsor is responsible."""
    board, voucher_program_id = sponsor.board, sponsor.sold.voucher_program_id
    ordering = Ordering(
        organization_id=sponsor.organization_id,
        voucher_program_id=voucher_program_id,
        quantity=3,
        amount=FACE_VALUE * 3,
        funding=VoucherFunding.BILL_LATER,
    )
    order_id = await order(await sponsor.acts("2017-09-11"), board.keys, ordering)
    applicant = await register(board.session, at_hour("2017-09-12"), APPLICANT, APPLICANT_ADDRESS)
    act = await sponsor.acts("2017-09-13")
    said = Responsibility(
        organization_id=sponsor.organization_id, person_id=applicant.person_id, first=day("2017-09-13")
    )
    party = (await set_responsibility(act.session, act.principal, act.now, said)).key
    own = (Voucher.program_id == board.program_id) & (Voucher.voucher_order_id == order_id)
    voucher_id = (await board.session.scalars(select(Voucher.id).where(own).order_by(Voucher.id))).first()
    await assign(act, Assigning(party=party, voucher_id=voucher_id, purpose="Sponsored applicant"))
    return Principal(name=APPLICANT, role=Role.INDIVIDUAL, person_id=applicant.person_id, origin="demo")


async def _apply_for(sponsor: Sponsor, applicant: Principal) -> None:
    """Her voucher applies by itself; the promotion's code pays the other half, and nothing is due."""
    board = sponsor.board
    act = replace(await board.acts("2017-09-20"), principal=applicant)
    cart = await open_cart(act, GATEWAYS, NewCart([LineWanted(sponsor.sold.fees.application)]))
    code = Applying(cart_id=cart.id, expected_version=cart.version, code=PROMOTION_CODE)
    cart = await apply(act, board.keys, GATEWAYS, code)
    asked = Completing(cart.id, cart.version, Money(0, "USD"))
    run = _in_one_transaction(board.session)
    await complete_cart(run, GATEWAYS, applicant, at_hour("2017-09-20", 16), board.program_id, "rosa", asked)


def _in_one_transaction(session: AsyncSession) -> Writing:
    """The demo is whole or not there at all."""

    async def run(step: Callable[[AsyncSession], Awaitable[T]]) -> T:
        return await step(session)

    return run


# ----------------------------------------------------------------------------------------- an invitation


async def invite_applicant(session: AsyncSession, keys: CodeKeys, now: dt.datetime) -> None:
    """By Xtra Lease, when the demo is made: a link of long ago would be dead."""
    program_id = (await session.execute(select(Program.id).where(Program.slug == PROGRAM))).scalar_one()
    own = (await session.execute(select(Organization.id).where(Organization.slug == CLIENT_SLUG))).scalar_one()
    who = Principal(name="Xtra Lease's administrator", role=Role.ORGANIZATION, organization_id=own, origin="demo")
    act = await begin_act(session, who, now, program_id)
    terms = await session.scalars(select(Voucher.voucher_program_id).where(Voucher.organization_id == own).limit(1))
    message = "Welcome to Xtra Lease, Nora. This pays your application."
    asked = Inviting(
        address=INVITED_ADDRESS, message=message, voucher_program_id=terms.one(), purpose="First application"
    )
    await invite(act, keys, asked)
