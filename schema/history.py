"""Mutations that write history. Each is idempotent by what it states, and adds to what was believed."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from models.errors import BadId, HistoryError, HistoryErrorCode, NotFound
from models.interval import Bounds, from_microseconds
from resolvers import history
from resolvers.history import (
    AtInstant,
    Between,
    CorrectedEdge,
    Correction,
    Edge,
    Lost,
    On,
    Open,
    PersonalData,
    Place,
    Who,
    Written,
)
from resolvers.loaders.places import ScopeKey
from schema.context import Info
from schema.fields import INPUT, field, given, mutation
from schema.ids import decode_id
from schema.learners import Learner
from schema.nodes import OrganizationKey, keyed_organization, learner_by_key, window_row
from schema.payloads import Refusals, UserError
from schema.scalars import described

described(HistoryErrorCode, "Why a fact was not recorded.")


@strawberry.type(description="A refusal: what was wrong with the input, and what to do.")
class HistoryUserError(UserError):
    code: HistoryErrorCode = strawberry.field(description="The reason, for programs.")


@strawberry.input(description="A learner of an organization, by the organization's own id.")
class ExternalLearnerKey:
    organization: OrganizationKey = strawberry.field(description="The organization.")
    external_id: str = strawberry.field(description="Its own id of the learner.")


@strawberry.input(description="Which learner: give exactly one.", one_of=True)
class LearnerKeyInput:
    id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="The learner's id.")
    external: ExternalLearnerKey | None = strawberry.field(
        default=strawberry.UNSET, description="The organization's own id of the learner."
    )


@strawberry.input(description="A team or a library of the learner's organization: give exactly one.", one_of=True)
class PlaceKey:
    id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Its id.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Its exact name.")


@strawberry.input(description="When something starts: give exactly one.", one_of=True)
class StartInput:
    on: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="The first local day, from its first instant on."
    )
    at: dt.datetime | None = strawberry.field(default=strawberry.UNSET, description="The exact instant.")


@strawberry.input(description="When something ends: give exactly one.", one_of=True)
class EndInput:
    last_day: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="The last local day; it ends where the next one begins."
    )
    at: dt.datetime | None = strawberry.field(
        default=strawberry.UNSET, description="The first instant at which it is no longer so."
    )


@strawberry.input(description="An end of a corrected window: give exactly one.", one_of=True)
class CorrectedEdgeInput:
    on: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="Of the start the first local day; of the end the last one."
    )
    at: dt.datetime | None = strawberry.field(default=strawberry.UNSET, description="The exact instant.")
    between: LocalDays | None = strawberry.field(
        default=strawberry.UNSET, description="It was lost, but lies in these local days."
    )
    lost: bool | None = strawberry.field(default=strawberry.UNSET, description="It was lost, and nothing bounds it.")
    open: bool | None = strawberry.field(default=strawberry.UNSET, description="Of the end: there is none.")


@strawberry.input(description="Local days, both included.")
class LocalDays:
    from_: dt.date = strawberry.field(name="from", description="The first day.")
    through: dt.date = strawberry.field(description="The last day.")


@strawberry.input(description="Personal data; what is left out stays as it is.")
class PersonalDataInput:
    name: str | None = strawberry.field(default=strawberry.UNSET, description="The full name.")
    email: str | None = strawberry.field(default=strawberry.UNSET, description="The e-mail address.")
    department: str | None = strawberry.field(default=strawberry.UNSET, description="The department.")


@strawberry.type
class HistoryPayload:
    written: strawberry.Private[Written | None] = None
    user_errors: list[HistoryUserError] = strawberry.field(
        default_factory=list, description="Why nothing was recorded; empty if it was."
    )

    @field("The learner, as now known; null if nothing was recorded.")
    async def learner(self, info: Info) -> Learner | None:
        return await learner_by_key(info, self.written.learner) if self.written else None

    @field("Whether anything new was learned: the same fact again changes nothing.")
    def changed(self) -> bool:
        return self.written is not None and self.written.changed

    @field("When it was recorded; null if nothing was.")
    def recorded_at(self) -> dt.datetime | None:
        return self.written.recorded_at if self.written and self.written.changed else None


@strawberry.input
class LearnerActivateInput:
    learner: LearnerKeyInput = strawberry.field(description="Who.")
    start: StartInput = strawberry.field(description="From when on.")
    until: EndInput | None = strawberry.field(
        default=strawberry.UNSET, description="Until when; left out while still active."
    )
    team: PlaceKey | None = strawberry.field(
        default=strawberry.UNSET, description="Membership of this team from the same start on."
    )
    profile: PersonalDataInput | None = strawberry.field(
        default=strawberry.UNSET, description="What is known of the person."
    )


@strawberry.type
class LearnerActivatePayload(HistoryPayload):
    pass


@strawberry.input
class LearnerDeactivateInput:
    learner: LearnerKeyInput = strawberry.field(description="Who.")
    end: EndInput = strawberry.field(description="Until when.")


@strawberry.type
class LearnerDeactivatePayload(HistoryPayload):
    pass


@strawberry.input
class LearnerMoveTeamInput:
    learner: LearnerKeyInput = strawberry.field(description="Who.")
    to_team: PlaceKey = strawberry.field(description="The team to join.")
    from_team: PlaceKey | None = strawberry.field(
        default=strawberry.UNSET, description="The team to leave; needed only of a member of several."
    )
    start: StartInput = strawberry.field(description="From when on in the new team.")


@strawberry.type
class LearnerMoveTeamPayload(HistoryPayload):
    pass


@strawberry.input
class LearnerTransferInput:
    learner: LearnerKeyInput = strawberry.field(description="Who.")
    to_organization: OrganizationKey = strawberry.field(description="The organization to join.")
    start: StartInput = strawberry.field(description="From when on, in the days of the organization that is left.")
    team: PlaceKey | None = strawberry.field(
        default=strawberry.UNSET, description="A team of the organization to join."
    )
    reason: str | None = strawberry.field(default=strawberry.UNSET, description="Why.")


@strawberry.type
class LearnerTransferPayload(HistoryPayload):
    pass


@strawberry.input
class LibraryAccessGrantInput:
    learner: LearnerKeyInput = strawberry.field(description="Who.")
    library: PlaceKey = strawberry.field(description="The library.")
    start: StartInput = strawberry.field(description="From when on.")


@strawberry.type
class LibraryAccessGrantPayload(HistoryPayload):
    pass


@strawberry.input
class LibraryAccessRevokeInput:
    learner: LearnerKeyInput = strawberry.field(description="Who.")
    library: PlaceKey = strawberry.field(description="The library.")
    end: EndInput = strawberry.field(description="Until when.")


@strawberry.type
class LibraryAccessRevokePayload(HistoryPayload):
    pass


@strawberry.input
class ActivityWindowCorrectInput:
    window: strawberry.ID = strawberry.field(description="The window, as it was seen.")
    reason: str = strawberry.field(description="Why, in words that an auditor will understand.")
    start: CorrectedEdgeInput | None = strawberry.field(
        default=strawberry.UNSET, description="What its start really was; left out if it is right."
    )
    end: CorrectedEdgeInput | None = strawberry.field(
        default=strawberry.UNSET, description="What its end really was; left out if it is right."
    )
    never_was: bool = strawberry.field(default=False, description="True if there was no such window at all.")


@strawberry.type
class ActivityWindowCorrectPayload(HistoryPayload):
    pass


def _refusals(payload: type[HistoryPayload]) -> list[Refusals]:
    return [Refusals(payload, HistoryUserError, HistoryErrorCode)]


@strawberry.type
class HistoryMutation:
    @mutation(
        "Start a window of activity; a learner not yet known by the external id is made.",
        _refusals(LearnerActivatePayload),
    )
    async def learner_activate(
        self, info: Info, input: Annotated[LearnerActivateInput, INPUT]
    ) -> LearnerActivatePayload:
        asked = history.Activation(
            who=await who_of(info, input.learner),
            start=start_edge(input.start),
            end=end_edge(input.until) if input.until else None,
            team=_place(input.team, "Team", "team") if input.team else None,
            personal=_personal(input.profile),
        )
        context = info.context
        written = await context.write(lambda s: history.activate(s, context.principal, context.now, asked))
        return LearnerActivatePayload(written=written)

    @mutation(
        "End the window of activity. Since when it lasted stays known, for ever.",
        _refusals(LearnerDeactivatePayload),
    )
    async def learner_deactivate(
        self, info: Info, input: Annotated[LearnerDeactivateInput, INPUT]
    ) -> LearnerDeactivatePayload:
        who, end, context = await who_of(info, input.learner), end_edge(input.end), info.context
        written = await context.write(lambda s: history.deactivate(s, context.principal, context.now, who, end))
        return LearnerDeactivatePayload(written=written)

    @mutation(
        "Leave one team and join another at one instant; activity is untouched.",
        _refusals(LearnerMoveTeamPayload),
    )
    async def learner_move_team(
        self, info: Info, input: Annotated[LearnerMoveTeamInput, INPUT]
    ) -> LearnerMoveTeamPayload:
        asked = history.Move(
            who=await who_of(info, input.learner),
            to_team=_place(input.to_team, "Team", "toTeam"),
            from_team=_place(input.from_team, "Team", "fromTeam") if input.from_team else None,
            start=start_edge(input.start),
        )
        context = info.context
        written = await context.write(lambda s: history.move_team(s, context.principal, context.now, asked))
        return LearnerMoveTeamPayload(written=written)

    @mutation(
        "Leave one organization and be active in another from the same instant on. Staff only.",
        _refusals(LearnerTransferPayload),
    )
    async def learner_transfer(
        self, info: Info, input: Annotated[LearnerTransferInput, INPUT]
    ) -> LearnerTransferPayload:
        asked = history.Transfer(
            who=await who_of(info, input.learner),
            to_organization_id=(
                await keyed_organization(info, input.to_organization, "toOrganization")
            ).organization_id,
            start=start_edge(input.start),
            team=_place(input.team, "Team", "team") if input.team else None,
            reason=input.reason or None,
        )
        context = info.context
        _, written = await context.write(lambda s: history.transfer(s, context.principal, context.now, asked))
        return LearnerTransferPayload(written=written)

    @mutation(
        "Give access to a library.",
        _refusals(LibraryAccessGrantPayload),
    )
    async def library_access_grant(
        self, info: Info, input: Annotated[LibraryAccessGrantInput, INPUT]
    ) -> LibraryAccessGrantPayload:
        who, library, start = (
            await who_of(info, input.learner),
            _place(input.library, "Library", "library"),
            start_edge(input.start),
        )
        context = info.context
        written = await context.write(
            lambda s: history.grant_access(s, context.principal, context.now, who, library, start)
        )
        return LibraryAccessGrantPayload(written=written)

    @mutation(
        "End access to a library; since when it lasted stays known.",
        _refusals(LibraryAccessRevokePayload),
    )
    async def library_access_revoke(
        self, info: Info, input: Annotated[LibraryAccessRevokeInput, INPUT]
    ) -> LibraryAccessRevokePayload:
        who, library, end = (
            await who_of(info, input.learner),
            _place(input.library, "Library", "library"),
            end_edge(input.end),
        )
        context = info.context
        written = await context.write(
            lambda s: history.revoke_access(s, context.principal, context.now, who, library, end)
        )
        return LibraryAccessRevokePayload(written=written)

    @mutation(
        "Say what a window really was, and why. What was believed before stays, with every answer as known then.",
        _refusals(ActivityWindowCorrectPayload),
    )
    async def activity_window_correct(
        self,
        info: Info,
        input: Annotated[ActivityWindowCorrectInput, INPUT],
    ) -> ActivityWindowCorrectPayload:
        asked = await _correction(info, input)
        context = info.context
        written = await context.write(lambda s: history.correct_window(s, context.principal, context.now, asked))
        return ActivityWindowCorrectPayload(written=written)


async def _correction(info: Info, correction: ActivityWindowCorrectInput) -> Correction:
    """The correction, with the window as it was seen; one that was superseded meanwhile is refused later."""
    keys = decode_id(correction.window, "ActivityWindow", 6, "window")
    row = await window_row(info, keys)
    if row is None or not info.context.principal.may_see(keys[0]):
        raise NotFound("activity window", "window")
    edges = (row.from_earliest, row.from_latest, row.to_earliest, row.to_latest)
    from_earliest, from_latest, to_earliest, to_latest = map(from_microseconds, edges)
    bounds = Bounds(from_earliest, from_latest, to_earliest, to_latest)
    return Correction(
        who=Who(organization_id=keys[0], learner_id=row.learner_id),
        scope_id=keys[1],
        window=bounds,
        reason=correction.reason,
        start=_corrected(correction.start, "start") if correction.start else None,
        end=_corrected(correction.end, "end") if correction.end else None,
        never_was=correction.never_was,
    )


async def who_of(info: Info, key: LearnerKeyInput) -> Who:
    if key.id:
        organization_id, learner_id = decode_id(key.id, "Learner", 2, "learner", "id")
        return Who(organization_id=organization_id, learner_id=learner_id)
    if not key.external:
        raise BadId("learner", "learner")
    organization = await keyed_organization(info, key.external.organization, "learner", "external", "organization")
    return Who(organization_id=organization.organization_id, external_id=key.external.external_id)


def _place(place: PlaceKey, kind: str, name: str) -> Place:
    return Place(key=ScopeKey(*decode_id(place.id, kind, 2, name))) if place.id else Place(name=place.name or "")


def start_edge(edge: StartInput) -> Edge:
    return _edge(edge.on, edge.at, "start")


def end_edge(edge: EndInput) -> Edge:
    return _edge(edge.last_day, edge.at, "end")


def _edge(day: dt.date | None, instant: dt.datetime | None, name: str) -> Edge:
    if day:
        return On(day)
    if not instant:
        raise HistoryError(HistoryErrorCode.EMPTY_INTERVAL, "Give a day or an instant.", name)
    return AtInstant(instant)


def _corrected(edge: CorrectedEdgeInput, name: str) -> CorrectedEdge:
    if edge.between:
        return Between(edge.between.from_, edge.between.through)
    if edge.lost:
        return Lost()
    if edge.open and name == "end":
        return Open()
    return _edge(edge.on or None, edge.at or None, name)


def _personal(profile: PersonalDataInput | None) -> PersonalData:
    if not profile:
        return PersonalData()
    return PersonalData(name=given(profile.name), email=given(profile.email), department=given(profile.department))
