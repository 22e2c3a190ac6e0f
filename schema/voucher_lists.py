"""Lists of vouchers and of what they paid, and the story of one voucher."""

from __future__ import annotations

import datetime as dt

import strawberry

from models.interval import BEGINNING, FOREVER, to_microseconds
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_states import VoucherState
from models.voucher_stories import sentence
from models.vouchers import AssignmentState
from resolvers.loaders.program_events import (
    ProgramEventRow,
    StoryKey,
    StoryPage,
    ThingKey,
    event_totals_of_things,
    events_of_things,
    stories_of,
    story_totals,
)
from resolvers.loaders.voucher_lists import (
    Between,
    Chosen,
    ListKey,
    ListPage,
    Of,
    redemption_totals,
    redemptions_of,
    voucher_totals,
    vouchers_of,
    vouchers_of_person,
    vouchers_of_person_total,
)
from resolvers.loaders.vouchers import RedemptionRow, VoucherKey, VoucherRow
from resolvers.vouchers.listing import in_organization, in_program
from schema.context import Info
from schema.fields import given
from schema.ids import decode_id
from schema.moments import moment_and_key, moment_of
from schema.pagination import Connection, PageAsked, Paging, connection_of, paging
from schema.scalars import described
from schema.vouchers import Redemption, Voucher, theirs_of

described(ProgramDeed, "What was done.")

"""first, after, last, before: as somebody asks for a page."""


@strawberry.input(description="Which vouchers a list holds; what is left out does not narrow it.")
class VoucherFilter:
    states: list[VoucherState] | None = strawberry.field(
        default=strawberry.UNSET, description="Only those in one of these states now."
    )
    purpose: str | None = strawberry.field(default=strawberry.UNSET, description="Only those with this very purpose.")
    learner: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Only those assigned to this learner now."
    )
    expires_before: dt.datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Only those that cannot be used from some moment before this one on."
    )
    flagged: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Only those whose assignee has left, or only the others."
    )
    last_four: str | None = strawberry.field(
        default=strawberry.UNSET, description="Only those whose code ends so, in capitals or not."
    )
    assignment_states: list[AssignmentState] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only those whose assignment in force stands so, such as AWAITING_APPROVAL: they wait for you.",
    )
    program: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Only those of this program."
    )
    organization: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Only those of this organization."
    )


def chosen_by(info: Info, asked: VoucherFilter | None) -> Chosen:
    one = asked or VoucherFilter()
    states, learner, last_four = given(one.states), given(one.learner), given(one.last_four)
    assigned = given(one.assignment_states)
    organization_id, learner_id = decode_id(learner, "Learner", 2, "filter", "learner") if learner else (0, 0)
    return Chosen(
        now=info.context.now,
        states=None if states is None else tuple(sorted(set(states), key=lambda state: state.name)),
        purpose=given(one.purpose) or None,
        learner=(organization_id, learner_id) if learner else None,
        expires_before=given(one.expires_before),
        flagged=given(one.flagged),
        last_four=last_four.strip().upper() if last_four else None,
        assignments=None if assigned is None else tuple(sorted(set(assigned), key=lambda state: state.name)),
    )


def _program_of(asked: VoucherFilter | None) -> int:
    """The only program that is asked for; 0 for all."""
    program = given(asked.program) if asked else None
    return decode_id(program, "Program", 1, "filter", "program")[0] if program else 0


def _organization_of(asked: VoucherFilter | None) -> int:
    """The only organization that is asked for; 0 for all."""
    organization = given(asked.organization) if asked else None
    return decode_id(organization, "Organization", 1, "filter", "organization")[0] if organization else 0


async def organization_vouchers(
    info: Info, organization_id: int, asked: VoucherFilter | None, page: PageAsked
) -> Connection[Voucher]:
    """What an organization has bought, in one program or in all; a program's administrator sees it in their own."""
    key = in_organization(info.context.principal, organization_id, _program_of(asked), _organization_of(asked))
    return await _vouchers(info, Of.ORGANIZATION, key, asked, page)


async def vouchers_in_program(
    info: Info, of: Of, program_id: int, thing_id: int, asked: VoucherFilter | None, page: PageAsked
) -> Connection[Voucher]:
    """Of a voucher program, an order, or the program itself: all for who runs it, their own for an organization."""
    key = in_program(info.context.principal, program_id, thing_id, _organization_of(asked))
    return await _vouchers(info, of, key, asked, page)


async def _vouchers(
    info: Info, of: Of, key: ListKey, asked: VoucherFilter | None, page: PageAsked
) -> Connection[Voucher]:
    chosen, loaders = chosen_by(info, asked), info.context.loaders
    wanted = paging(("vouchers", of, *key, _named(chosen)), *page, int, int)
    beyond = (BEGINNING, wanted.beyond[0], wanted.beyond[1]) if wanted.beyond else None
    list_page = ListPage(wanted.limit, wanted.backward, beyond)
    rows: list[VoucherRow] = await loaders.rows(vouchers_of, of, chosen, list_page).load(key)

    async def total() -> int:
        return await loaders.values(voucher_totals, of, chosen).load(key)

    return connection_of([(Voucher(row=row), (row.id, row.program_id)) for row in rows], wanted, total)


def _named(chosen: Chosen) -> str:
    """What a list is named by: its choice, whenever it is asked for."""
    return str((chosen.shape, chosen.purpose, chosen.learner, chosen.expires_before, chosen.last_four))


async def own_vouchers(info: Info, asked: VoucherFilter | None, page: PageAsked) -> Connection[Voucher]:
    """Of an individual what is assigned to them; of anybody else nothing."""
    chosen, person_id = chosen_by(info, asked), info.context.principal.person_id
    wanted = paging(("own vouchers", person_id, _named(chosen)), *page, int, int)
    beyond = (BEGINNING, wanted.beyond[0], wanted.beyond[1]) if wanted.beyond else None
    reading, rows = info.context.reading, list[VoucherRow]()
    if person_id is not None:
        list_page = ListPage(wanted.limit, wanted.backward, beyond)
        async with reading() as connection:
            rows = await vouchers_of_person(connection, person_id, chosen, list_page)

    async def total() -> int:
        if person_id is None:
            return 0
        async with reading() as connection:
            return await vouchers_of_person_total(connection, person_id, chosen)

    return connection_of([(Voucher(row=row), (row.id, row.program_id)) for row in rows], wanted, total)


# ------------------------------------------------------------------------------------------- redemptions


async def organization_redemptions(
    info: Info, organization_id: int, since: dt.datetime | None, until: dt.datetime | None, page: PageAsked
) -> Connection[Redemption]:
    """What an organization's vouchers paid."""
    key = in_organization(info.context.principal, organization_id)
    return await _redemptions(info, Of.ORGANIZATION, key, since, until, page)


async def program_redemptions(
    info: Info, program_id: int, since: dt.datetime | None, until: dt.datetime | None, page: PageAsked
) -> Connection[Redemption]:
    """What vouchers paid in a program; to an organization only what its own paid."""
    key = in_program(info.context.principal, program_id, program_id)
    return await _redemptions(info, Of.PROGRAM, key, since, until, page)


async def _redemptions(
    info: Info, of: Of, key: ListKey, since: dt.datetime | None, until: dt.datetime | None, page: PageAsked
) -> Connection[Redemption]:
    loaders, between = info.context.loaders, Between(given(since) or BEGINNING, given(until) or FOREVER)
    wanted = paging(("redemptions", of, *key, between), *page, int, int, int)
    list_page = ListPage(wanted.limit, wanted.backward, _moment_and_keys(wanted))
    rows: list[RedemptionRow] = await loaders.rows(redemptions_of, of, between, list_page).load(key)

    async def total() -> int:
        return await loaders.values(redemption_totals, of, between).load(key)

    nodes = [(Redemption(row=row), (to_microseconds(row.redeemed_at), row.id, row.program_id)) for row in rows]
    return connection_of(nodes, wanted, total)


def _moment_and_keys(page: Paging) -> tuple[dt.datetime, int, int] | None:
    if page.beyond is None:
        return None
    moment, key, program_id = page.beyond
    return moment_of(page, moment), key, program_id


# ------------------------------------------------------------------------------------------- the story


@strawberry.type(description="One thing done to a voucher, its order or terms, or to the program; it never changes.")
class VoucherEvent:
    recorded_at: dt.datetime = strawberry.field(description="When.")
    actor: str = strawberry.field(description="Who.")
    deed: ProgramDeed = strawberry.field(description="What was done.")
    sentence: str = strawberry.field(description="All of that, as a sentence.")
    said: str | None = strawberry.field(description="What they wrote about it.")
    before: str | None = strawberry.field(description="What it was before, in words.")
    after: str | None = strawberry.field(description="What it was then, in words.")

    @classmethod
    def of(cls, row: ProgramEventRow) -> VoucherEvent:
        words = (row.actor, row.said, row.before, row.after)
        return cls(
            recorded_at=row.recorded_at,
            actor=row.actor,
            deed=row.deed,
            sentence=sentence(row.thing, row.deed, *words),
            said=row.said,
            before=row.before,
            after=row.after,
        )


async def story_of(info: Info, voucher: VoucherRow, page: PageAsked) -> Connection[VoucherEvent]:
    """What was done to a voucher and its order, oldest first; to a person what was since it became theirs."""
    key, loaders = await _story_key(info, voucher), info.context.loaders
    wanted = paging(("story", *voucher.key), *page, int, int)
    asked = StoryPage(wanted.limit, wanted.backward, moment_and_key(wanted))
    rows: list[ProgramEventRow] = await loaders.rows(stories_of, asked).load(key)

    async def total() -> int:
        return await loaders.values(story_totals).load(key)

    nodes = [(VoucherEvent.of(row), (to_microseconds(row.recorded_at), row.id)) for row in rows]
    return connection_of(nodes, wanted, total)


async def events_of_thing(info: Info, thing: ProgramThing, key: ThingKey, page: PageAsked) -> Connection[VoucherEvent]:
    """What was done to anything else of a program, oldest first; whether that is the asker's to see is asked before."""
    loaders = info.context.loaders
    wanted = paging(("events", thing, *key), *page, int, int)
    asked = StoryPage(wanted.limit, wanted.backward, moment_and_key(wanted))
    rows: list[ProgramEventRow] = await loaders.rows(events_of_things, thing, asked).load(key)

    async def total() -> int:
        return await loaders.values(event_totals_of_things, thing).load(key)

    nodes = [(VoucherEvent.of(row), (to_microseconds(row.recorded_at), row.id)) for row in rows]
    return connection_of(nodes, wanted, total)


async def program_events(info: Info, thing: ProgramThing, key: ThingKey, page: PageAsked) -> Connection[VoucherEvent]:
    """The same of what the program itself does."""
    info.context.principal.must_run(key.program_id, "see what was done in it")
    return await events_of_thing(info, thing, key, page)


async def _story_key(info: Info, voucher: VoucherRow) -> StoryKey:
    if info.context.principal.person_id is None:
        return StoryKey(*voucher.key, voucher.voucher_order_id, to_microseconds(BEGINNING))
    own = await theirs_of(info, VoucherKey(*voucher.key))
    since = min((row.assigned_at for row in own), default=FOREVER)
    return StoryKey(*voucher.key, 0, to_microseconds(since))
