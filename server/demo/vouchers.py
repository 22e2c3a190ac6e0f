"""The demo's program and the vouchers that Xtra Lease bought there, each thing at the time at which it was done.

Twenty on a purchase order, which was approved, then paid for. Two paid an application. One paid for a transcript before
its learner left: its rest stands under a new code. Another's learner left too, and it still waits to be reissued.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.learners import Profile
from models.money import Money
from models.organizations import Organization
from models.voucher_programs import VoucherFunding
from models.vouchers import Voucher
from resolvers.loaders.learners import LearnerKey
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, begin_act
from resolvers.programs.defining import NewProduct, NewProgram, create_product, create_program
from resolvers.programs.offering import NewVoucherProgram, create_voucher_program
from resolvers.voucher_orders.approving import approve
from resolvers.voucher_orders.ordering import Ordering, order
from resolvers.voucher_orders.settling import settle
from resolvers.vouchers.assigning import Assigning, assign
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.leaving import flag_leavers, leavers
from resolvers.vouchers.redeeming import Redeeming, redeem
from resolvers.vouchers.reissuing import reissue
from server.demo.stories import Client, Story, day

SUPPORT = Principal(name="Support", role=Role.STAFF, origin="demo")
PROGRAM, CLIENT_SLUG, CLIENT_CODE = "board-of-appraisers", "xtra-lease", "XTRALEASE"
FACE_VALUE = Money(12_500, "USD")
QUANTITY = 20
STAYED, LEFT = 6, 2


@dataclass(frozen=True, slots=True)
class Fees:
    application: int
    transcript: int
    late: int


@dataclass(frozen=True, slots=True)
class Board:
    """The program, and the client that buys there."""

    session: AsyncSession
    keys: CodeKeys
    program_id: int
    organization_id: int

    async def acts(self, date: str, hour: int = 15) -> ProgramAct:
        who = Principal(name="Board of Appraisers", role=Role.PROGRAM, program_id=self.program_id, origin="demo")
        return await begin_act(self.session, who, at_hour(date, hour), self.program_id)

    async def client_acts(self, date: str, hour: int = 15) -> ProgramAct:
        own = self.organization_id
        who = Principal(name="Xtra Lease's administrator", role=Role.ORGANIZATION, organization_id=own, origin="demo")
        return replace(await self.acts(date, hour), principal=who)


@dataclass(frozen=True, slots=True)
class Sold:
    """What the program sells, once it has sold some."""

    board: Board
    fees: Fees
    voucher_program_id: int


async def record_vouchers(session: AsyncSession, client: Client, keys: CodeKeys) -> Sold:
    """All that happened to vouchers of the client, which was recorded before."""
    program = NewProgram(slug=PROGRAM, name="Board of Appraisers", zone="America/Chicago")
    program_id = await create_program(session, SUPPORT, at_hour("2017-02-06"), program)
    own = await session.execute(select(Organization.id).where(Organization.slug == CLIENT_SLUG))
    board = Board(session, keys, program_id, own.scalar_one())
    fees = await _define_fees(board)
    voucher_program_id = await _define_terms(board, fees)
    vouchers = await _buy(board, voucher_program_id)
    here = await _learners(board, islice(stayed(client.stories), STAYED))
    gone = await _learners(board, islice(_left(client.stories), LEFT))
    given = await _assign(board, vouchers, [*here, *gone])
    await _pay(board, fees, [*given[:2], given[-1]])
    act = await board.acts("2017-10-16")
    await flag_leavers(act, await leavers(await session.connection(), program_id, act.now))
    why = "They left; the next hire applies with it."
    await reissue(await board.client_acts("2017-10-18"), keys, given[-1].voucher_id, why)
    return Sold(board, fees, voucher_program_id)


@dataclass(frozen=True, slots=True)
class Given:
    voucher_id: int
    learner: LearnerKey


async def _define_fees(board: Board) -> Fees:
    act = await board.acts("2017-02-06", 16)
    application = NewProduct(code="APPLICATION", name="Application fee", price=FACE_VALUE)
    transcript = NewProduct(code="TRANSCRIPT", name="Transcript", price=Money(2_500, "USD"))
    late = NewProduct(code="LATE", name="Late fee", price=Money(5_000, "USD"))
    return Fees(*[await create_product(act, new) for new in (application, transcript, late)])


async def _define_terms(board: Board, fees: Fees) -> int:
    terms = NewVoucherProgram(
        name="Application vouchers",
        face_value=FACE_VALUE,
        funding=list(VoucherFunding),
        excluded=[fees.late],
    )
    return await create_voucher_program(await board.acts("2017-02-06", 17), terms)


async def _buy(board: Board, voucher_program_id: int) -> list[int]:
    """The vouchers of the purchase order; they are issued when it is approved."""
    ordering = Ordering(
        organization_id=board.organization_id,
        voucher_program_id=voucher_program_id,
        quantity=QUANTITY,
        amount=FACE_VALUE * QUANTITY,
        funding=VoucherFunding.PURCHASE_ORDER,
        purchase_order="PO-2017-0612",
    )
    order_id = await order(await board.client_acts("2017-06-12"), board.keys, ordering)
    await approve(await board.acts("2017-06-14"), board.keys, order_id)
    await settle(await board.acts("2017-07-10"), board.keys, order_id, "ACH 4471-0926")
    own = (Voucher.program_id == board.program_id) & (Voucher.voucher_order_id == order_id)
    return list(await board.session.scalars(select(Voucher.id).where(own).order_by(Voucher.id)))


async def _assign(board: Board, vouchers: Sequence[int], learners: Sequence[LearnerKey]) -> list[Given]:
    act = await board.client_acts("2017-07-12")
    given = []
    for voucher_id, learner in zip(vouchers, learners, strict=False):
        asked = Assigning(learner=learner, voucher_id=voucher_id, purpose="State certification")
        given.append(Given(await assign(act, asked), learner))
    return given


async def _pay(board: Board, fees: Fees, given: Sequence[Given]) -> None:
    *applicants, leaver = given
    paid = [(one, fees.application, f"APP-{number}") for number, one in enumerate(applicants, start=4101)]
    paid.append((leaver, fees.transcript, "TRA-0988"))
    for number, (one, product_id, reference) in enumerate(paid):
        asked = Redeeming(product_id=product_id, reference=reference, voucher_id=one.voucher_id, learner=one.learner)
        await redeem(await board.acts("2017-08-07", 14 + number), board.keys, asked)


# ---------------------------------------------------------------------------------------------- learners


async def _learners(board: Board, numbers: Iterator[int]) -> list[LearnerKey]:
    names = [f"{CLIENT_CODE}-{number:04}" for number in numbers]
    own = (Profile.organization_id == board.organization_id) & Profile.external_id.in_(names)
    found = await board.session.scalars(select(Profile.learner_id).where(own).order_by(Profile.external_id))
    return [LearnerKey(board.organization_id, learner_id) for learner_id in found]


def stayed(stories: Sequence[Story]) -> Iterator[int]:
    """The numbers of those who were there when vouchers were assigned, and are still."""
    for number, story in enumerate(stories, start=1):
        if story.spells[-1].first < day("2017-07-01") and story.spells[-1].last is None:
            yield number


def _left(stories: Sequence[Story]) -> Iterator[int]:
    """Who left in September or October."""
    for number, story in enumerate(stories, start=1):
        last = story.spells[-1].last
        if story.spells[-1].first < day("2017-07-01") and last and last >= day("2017-09-05"):
            yield number


def at_hour(date: str, hour: int = 15) -> dt.datetime:
    return dt.datetime.combine(day(date), dt.time(hour), dt.UTC)
