"""Why somebody is on a bridge: which act made it so, and what kind of act that was."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sqlalchemy.ext.asyncio import AsyncConnection

from models.activity import Predicate
from models.history import Source
from models.interval import BEGINNING_US, to_microseconds
from resolvers.loaders.billable import BillableOneKey, BillableRow, billable_of
from resolvers.loaders.learned import ActsKey, Learned, acts_about, last_turn
from resolvers.loaders.movers import NOT_COUNTED, POSSIBLY, SURELY


class Movement(Enum):
    JOINED = "counted at closing and not at opening"
    LEFT = "counted at opening and not at closing"
    PASSED = "came and went in between: counted at neither end"
    UNCERTAIN = "dates are lost, so that they may be counted at one end or both; they moved for neither provable count"


class Cause(Enum):
    ACTIVATION = "became active, or was given access"
    DEACTIVATION = "was deactivated, or lost access"
    TRANSFER = "was transferred from or to another organization"
    EXCLUSION = "began or ceased to be excluded from billing"
    CORRECTION = "what was known of them was corrected"


@dataclass(frozen=True, slots=True)
class End:
    """An end of the bridge: who answers a question, as known then. For a count at an instant `a` and `b` are it."""

    a: dt.datetime
    b: dt.datetime
    known_at: dt.datetime
    predicate: Predicate = Predicate.ACTIVE_AT

    @classmethod
    def at(cls, instant: dt.datetime, known_at: dt.datetime) -> End:
        return cls(instant, instant, known_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeAsked:
    """The closing is a count at an instant; `excluded_id` is the scope of what is excluded, 0 if there is none."""

    organization_id: int
    product_id: int
    excluded_id: int
    opening: End
    closing: End

    @property
    def ends(self) -> list[End]:
        """All three questions that the bridge asks."""
        return [end for end in (self.opening, self.closing, self.between) if end]

    @property
    def between(self) -> End | None:
        """At any time after the opening and before the closing; None if the closing is not later."""
        since, until = self.opening.b, self.closing.a
        return End(since, until, self.closing.known_at, Predicate.ACTIVE_DURING) if since < until else None


# ----------------------------------------------------------------------------------------------- what was told


@dataclass(frozen=True, slots=True)
class Told:
    """All that was learned of one person, and how they counted before any of it and after each act."""

    acts: Sequence[Learned]
    # Of an end, and whether what is excluded counts too: NOT_COUNTED, POSSIBLY or SURELY.
    standings: Mapping[tuple[End, bool], Sequence[int]]

    def at(self, end: End, known_at: dt.datetime, *, active: bool = False) -> bool:
        """Whether they surely counted as known then, or were active at all."""
        learned_by_then = sum(act.recorded_at <= known_at for act in self.acts)
        return self.standings[end, active][learned_by_then] == SURELY

    def turned(self, end: End) -> Learned | None:
        """The act by which they last came to count surely, or ceased to."""
        return last_turn(self.acts, [standing == SURELY for standing in self.standings[end, False]])

    def changed(self, end: End) -> Learned | None:
        """The act by which it last became possible, sure or neither."""
        return last_turn(self.acts, self.standings[end, False])


async def told_of(connection: AsyncConnection, whose: Sequence[tuple[BridgeAsked, int]]) -> list[Told]:
    """Of each learner of a bridge, in their order; three statements for all of them."""
    acts = await acts_about(connection, [_acts_key(asked, learner_id) for asked, learner_id in whose])
    standings: list[dict[tuple[End, bool], list[int]]] = [{} for _ in whose]
    for predicate in (Predicate.ACTIVE_AT, Predicate.ACTIVE_DURING):
        parts = [
            (place, end, active)
            for place, (asked, _) in enumerate(whose)
            for end in asked.ends
            for active in (False, True)
            if end.predicate is predicate
        ]
        keys = [key for place, end, active in parts for key in _keys(*whose[place], end, active, acts[place])]
        answers = iter(await billable_of(connection, keys, predicate))
        for place, end, active in parts:
            standings[place][end, active] = [_standing(next(answers)) for _ in (None, *acts[place])]
    return [Told(*of_one) for of_one in zip(acts, standings, strict=True)]


def _acts_key(asked: BridgeAsked, learner_id: int) -> ActsKey:
    until = to_microseconds(max(asked.opening.known_at, asked.closing.known_at))
    scopes = (asked.product_id, asked.excluded_id)
    return ActsKey(asked.organization_id, learner_id, *scopes, BEGINNING_US, until)


def _keys(asked: BridgeAsked, learner_id: int, end: End, active: bool, acts: Sequence[Learned]) -> list[BillableOneKey]:
    """The question about the learner as known before any act, and after each."""
    times = [BEGINNING_US, *(to_microseconds(act.recorded_at) for act in acts)]
    scope = (asked.organization_id, asked.product_id, 0 if active else asked.excluded_id)
    a, b = to_microseconds(end.a), to_microseconds(end.b)
    return [BillableOneKey(*scope, a, b, time, learner_id) for time in times]


def _standing(answer: BillableRow | None) -> int:
    return NOT_COUNTED if answer is None else SURELY if answer.certain else POSSIBLY


# ---------------------------------------------------------------------------------------------------- causes


def why(asked: BridgeAsked, movement: Movement, told: Told) -> tuple[Cause | None, Learned | None]:
    """The cause and the act. What was learned of the opening later, and not the time that passed, is a correction."""
    if movement is Movement.UNCERTAIN:
        return None, told.changed(asked.closing) or told.changed(asked.opening)
    opening, known_at = asked.opening, asked.closing.known_at
    if told.at(opening, opening.known_at) != told.at(opening, known_at):
        return _learned_since(asked, told), told.turned(opening)
    learned = _act(asked, movement, told)
    if _is_active_all_along(asked, movement, told):
        return Cause.EXCLUSION, learned
    return _cause_of(learned, movement), learned


def _learned_since(asked: BridgeAsked, told: Told) -> Cause:
    opening = asked.opening
    then, now = (told.at(opening, known_at, active=True) for known_at in (opening.known_at, asked.closing.known_at))
    return Cause.EXCLUSION if then == now else Cause.CORRECTION


def _act(asked: BridgeAsked, movement: Movement, told: Told) -> Learned | None:
    """Who was known from the start to leave by a day never counted later: then the act by which they counted."""
    if movement is Movement.PASSED:
        return told.changed(asked.between) if asked.between else None
    return told.turned(asked.closing) or told.turned(asked.opening)


def _is_active_all_along(asked: BridgeAsked, movement: Movement, told: Told) -> bool:
    """Whether only an exclusion can have made the difference."""
    known_at = asked.closing.known_at
    ends = [told.at(end, known_at, active=True) for end in (asked.opening, asked.closing)]
    return any(ends) if movement is Movement.PASSED else all(ends)


def _cause_of(learned: Learned | None, movement: Movement) -> Cause:
    if learned and learned.source in CAUSES:
        return CAUSES[learned.source]
    return Cause.DEACTIVATION if movement is Movement.LEFT else Cause.ACTIVATION


CAUSES = {Source.TRANSFER: Cause.TRANSFER, Source.CORRECTION: Cause.CORRECTION}
