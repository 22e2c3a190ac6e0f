"""Mutations of cohorts: previewing, committing and undoing an assignment to all their people, and standing ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Annotated

import strawberry

from models.errors import NotFound
from resolvers.cohorts.committing import commit
from resolvers.cohorts.defining import CertificationFilter, CohortFilter, NewCohort
from resolvers.cohorts.previewing import preview, preview_cohort
from resolvers.cohorts.standing import define, set_budget, start, stop
from resolvers.cohorts.undoing import undo
from resolvers.loaders.voucher_programs import InProgram
from resolvers.programs.acting import ProgramAct
from schema.cohorts import Cohort, VoucherBulkAssignment, bulk_by_key, cohort_by_key
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.ids import decode_id
from schema.money import MoneyInput
from schema.nodes import OrganizationKey, keyed_organization
from schema.programs import acted
from schema.questions import ActivityFilter, question_of
from schema.voucher_errors import VoucherUserError, refusals

# -------------------------------------------------------------------------------------------------- inputs


@strawberry.input(description="Holding a certification; every part that is given must hold.")
class CohortCertificationInput:
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="Of this name, in whatever case; of any if left out."
    )
    expires_from: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="Whose last day is this one or a later one."
    )
    expires_through: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="Whose last day is this one or an earlier one."
    )
    expires_within_months: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whose last day is from the day that is asked through the same day so many months later, 0 to 120; "
        "instead of days.",
    )


@strawberry.input(description="Every attribute that is given must hold; of several values of one, any.")
class CohortFilterInput:
    teams: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Active members, at the moment, of one of these teams."
    )
    departments: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="In one of these departments, in whatever case."
    )
    activity: ActivityFilter | None = strawberry.field(
        default=strawberry.UNSET,
        description="Who answers this question with yes; where teams are given, of activity there.",
    )
    certification: CohortCertificationInput | None = strawberry.field(
        default=strawberry.UNSET, description="Holding such a certification."
    )


@strawberry.input(description="People and vouchers, asked once.")
class CohortOnceInput:
    organization: OrganizationKey = strawberry.field(description="Whose people.")
    voucher_program: strawberry.ID = strawberry.field(description="Of which vouchers are taken from stock.")
    filter: CohortFilterInput = strawberry.field(description="Who belongs; everybody if nothing is given.")
    purpose: str | None = strawberry.field(
        default=strawberry.UNSET, description="What the vouchers are meant for, in your own words."
    )


@strawberry.input(description="What is previewed: give exactly one.", one_of=True)
class VoucherBulkAssignPreviewInput:
    once: CohortOnceInput | None = strawberry.field(default=strawberry.UNSET, description="A filter, asked once.")
    cohort: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A cohort that was defined: this is its dry run."
    )


@strawberry.input
class VoucherBulkAssignCommitInput:
    bulk_assignment: strawberry.ID = strawberry.field(description="The preview.")
    digest: str = strawberry.field(description="Its digest, so that exactly what you saw is committed.")


@strawberry.input
class VoucherBulkAssignUndoInput:
    bulk_assignment: strawberry.ID = strawberry.field(description="What was committed.")


@strawberry.input
class CohortDefineInput:
    organization: OrganizationKey = strawberry.field(description="Whose people.")
    voucher_program: strawberry.ID = strawberry.field(description="Of which vouchers are taken from stock.")
    name: str = strawberry.field(description="Its name, unique among the organization's in the program.")
    filter: CohortFilterInput = strawberry.field(description="Who belongs; everybody if nothing is given.")
    budget: MoneyInput = strawberry.field(description="The most value that it may assign altogether.")
    purpose: str | None = strawberry.field(
        default=strawberry.UNSET, description="What the vouchers are meant for, in your own words."
    )


@strawberry.input
class CohortStartInput:
    cohort: strawberry.ID = strawberry.field(description="The cohort; it was previewed within a day.")


@strawberry.input
class CohortStopInput:
    cohort: strawberry.ID = strawberry.field(description="The cohort.")


@strawberry.input
class CohortBudgetSetInput:
    cohort: strawberry.ID = strawberry.field(description="The cohort.")
    budget: MoneyInput = strawberry.field(description="The most value that it may assign, with what it has assigned.")


# ------------------------------------------------------------------------------------------------ payloads


@strawberry.type
class BulkAssignPayload:
    bulk_assignment: VoucherBulkAssignment | None = strawberry.field(
        default=None, description="As it is now; null if refused."
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class VoucherBulkAssignPreviewPayload(BulkAssignPayload):
    pass


@strawberry.type
class VoucherBulkAssignCommitPayload(BulkAssignPayload):
    pass


@strawberry.type
class VoucherBulkAssignUndoPayload(BulkAssignPayload):
    pass


@strawberry.type
class CohortPayload:
    cohort: Cohort | None = strawberry.field(default=None, description="As it is now; null if refused.")
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class CohortDefinePayload(CohortPayload):
    pass


@strawberry.type
class CohortStartPayload(CohortPayload):
    pass


@strawberry.type
class CohortStopPayload(CohortPayload):
    pass


@strawberry.type
class CohortBudgetSetPayload(CohortPayload):
    pass


# ----------------------------------------------------------------------------------------------- mutations

BY_WHOM = "By the organization's administrators and its partner, or by staff for them."


@strawberry.type
class CohortMutation:
    @mutation(
        f"Look at who of a cohort would be given a voucher; nothing is assigned. {BY_WHOM}",
        refusals(VoucherBulkAssignPreviewPayload),
    )
    async def voucher_bulk_assign_preview(
        self, info: Info, input: Annotated[VoucherBulkAssignPreviewInput, INPUT]
    ) -> VoucherBulkAssignPreviewPayload:
        if input.cohort:
            key = _cohort(input.cohort)
            made = await acted(info, key.program_id, lambda act: preview_cohort(act, key.id))
            return VoucherBulkAssignPreviewPayload(
                bulk_assignment=await bulk_by_key(info, InProgram(key.program_id, made))
            )
        once = input.once
        if not once:
            raise NotFound("cohort", "once")
        program_id, new = await _once(info, once)
        made = await acted(info, program_id, lambda act: preview(act, new))
        return VoucherBulkAssignPreviewPayload(bulk_assignment=await bulk_by_key(info, InProgram(program_id, made)))

    @mutation(
        "Assign exactly what was previewed, to all or to nobody, once and within a day; if anything has changed since, "
        f"what is told and nothing is assigned. The same again answers with what was done. {BY_WHOM}",
        refusals(VoucherBulkAssignCommitPayload),
    )
    async def voucher_bulk_assign_commit(
        self, info: Info, input: Annotated[VoucherBulkAssignCommitInput, INPUT]
    ) -> VoucherBulkAssignCommitPayload:
        key = _bulk(input.bulk_assignment)
        await acted(info, key.program_id, lambda act: commit(act, key.id, input.digest))
        return VoucherBulkAssignCommitPayload(bulk_assignment=await bulk_by_key(info, key))

    @mutation(
        f"Take back what was assigned to a cohort, but for what was redeemed and what carts hold. {BY_WHOM}",
        refusals(VoucherBulkAssignUndoPayload),
    )
    async def voucher_bulk_assign_undo(
        self, info: Info, input: Annotated[VoucherBulkAssignUndoInput, INPUT]
    ) -> VoucherBulkAssignUndoPayload:
        key = _bulk(input.bulk_assignment)
        await acted(info, key.program_id, lambda act: undo(act, key.id))
        return VoucherBulkAssignUndoPayload(bulk_assignment=await bulk_by_key(info, key))

    @mutation(
        f"Define a standing cohort; it assigns nothing before it was previewed and started. {BY_WHOM}",
        refusals(CohortDefinePayload),
    )
    async def cohort_define(self, info: Info, input: Annotated[CohortDefineInput, INPUT]) -> CohortDefinePayload:
        program_id, new = await _once(info, input, input.name)
        budget = input.budget.money("budget")
        made = await acted(info, program_id, lambda act: define(act, new, budget))
        return CohortDefinePayload(cohort=await cohort_by_key(info, InProgram(program_id, made)))

    @mutation(
        f"Let a cohort assign by itself, once a local day, to whoever newly belongs, in its budget. {BY_WHOM}",
        refusals(CohortStartPayload),
    )
    async def cohort_start(self, info: Info, input: Annotated[CohortStartInput, INPUT]) -> CohortStartPayload:
        return CohortStartPayload(cohort=await _step(info, input.cohort, start))

    @mutation(f"Let a cohort assign no more; what is assigned stays so. {BY_WHOM}", refusals(CohortStopPayload))
    async def cohort_stop(self, info: Info, input: Annotated[CohortStopInput, INPUT]) -> CohortStopPayload:
        return CohortStopPayload(cohort=await _step(info, input.cohort, stop))

    @mutation(
        f"Set the budget of a cohort, not below what it has assigned. {BY_WHOM}", refusals(CohortBudgetSetPayload)
    )
    async def cohort_budget_set(
        self, info: Info, input: Annotated[CohortBudgetSetInput, INPUT]
    ) -> CohortBudgetSetPayload:
        budget = input.budget.money("budget")
        cohort = await _step(info, input.cohort, lambda act, cohort_id: set_budget(act, cohort_id, budget))
        return CohortBudgetSetPayload(cohort=cohort)


async def _step(info: Info, cohort: str, step: Callable[[ProgramAct, int], Awaitable[int]]) -> Cohort | None:
    key = _cohort(cohort)
    await acted(info, key.program_id, lambda act: step(act, key.id))
    return await cohort_by_key(info, key)


def _cohort(given_id: str) -> InProgram:
    return InProgram(*decode_id(given_id, "Cohort", 2, "cohort"))


def _bulk(given_id: str) -> InProgram:
    return InProgram(*decode_id(given_id, "VoucherBulkAssignment", 2, "bulkAssignment"))


async def _once(
    info: Info, asked: CohortOnceInput | CohortDefineInput, name: str | None = None
) -> tuple[int, NewCohort]:
    """In which program, and what."""
    organization = await keyed_organization(info, asked.organization, "organization")
    terms = InProgram(*decode_id(asked.voucher_program, "VoucherProgram", 2, "voucherProgram"))
    return terms.program_id, NewCohort(
        organization_id=organization.organization_id,
        voucher_program_id=terms.id,
        chosen=_chosen(organization.organization_id, asked.filter),
        purpose=given(asked.purpose),
        name=name,
    )


def _chosen(organization_id: int, asked: CohortFilterInput) -> CohortFilter:
    activity, certification = given(asked.activity), given(asked.certification)
    return CohortFilter(
        teams=tuple(_team(organization_id, one) for one in given(asked.teams) or ()),
        departments=tuple(given(asked.departments) or ()),
        activity=question_of(activity) if activity else None,
        certification=_certification(certification) if certification else None,
    )


def _team(organization_id: int, given_id: str) -> int:
    """Of that organization: one of another is none there."""
    owner, team_id = decode_id(given_id, "Team", 2, "filter", "teams")
    if owner != organization_id:
        raise NotFound("team", "filter", "teams")
    return team_id


def _certification(asked: CohortCertificationInput) -> CertificationFilter:
    return CertificationFilter(
        name=given(asked.name),
        earliest=given(asked.expires_from),
        latest=given(asked.expires_through),
        within_months=given(asked.expires_within_months),
    )
