"""Lists of learners, as every surface asks for them: the API, a page, a file.

One place decides what a list is of, as of when, and how its question reads, so that they cannot disagree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import QuestionError, QuestionErrorCode
from models.interval import to_microseconds
from resolvers.activity import ActivityQuestion, answerable, as_known, must_be_past, settle
from resolvers.database import Writing
from resolvers.loaders.certifications import Certified
from resolvers.loaders.learner_lists import LearnersKey, Who
from resolvers.loaders.places import OrganizationRow

EVERYBODY = "All who ever belonged here"


@dataclass(frozen=True, slots=True)
class AsKnown:
    """Until when what was recorded counts; `asked` if somebody named it."""

    at_us: int
    asked: dt.datetime | None = None


async def as_known_at(
    run: Writing, organization: OrganizationRow, known_at: dt.datetime | None, now: dt.datetime
) -> AsKnown:
    """What is known now is what was recorded when the organization was looked up; a past time is settled first."""
    if not known_at:
        return AsKnown(organization.recorded_through)
    must_be_past(known_at, now, "knownAt")
    if organization.recorded_through < to_microseconds(known_at):
        await run(lambda session: settle(session, organization.organization_id, known_at))
    return AsKnown(to_microseconds(known_at), known_at)


@dataclass(frozen=True, slots=True)
class NamedScope:
    """What is counted in: the organization as a whole, a team or a library."""

    scope_id: int
    name: str


def whole(organization: OrganizationRow) -> NamedScope:
    return NamedScope(organization.organization_id, organization.name)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of learners: its key, who belongs to it, and in words what it answers."""

    key: LearnersKey
    who: Who
    words: str
    known: AsKnown


def learner_list(
    organization: OrganizationRow,
    scopes: Sequence[NamedScope],
    question: ActivityQuestion | None,
    known: AsKnown,
    search: str | None = None,
    departments: Sequence[str] = (),
    certified: Certified | None = None,
) -> Listed:
    """The learners of one scope, or of two at once, who answer the question with yes; without one, all ever there."""
    asked = answerable(question, organization.calendar, "activity") if question else None
    one, other = _one_or_two(organization, scopes)
    who = Who(
        predicate=asked.predicate if asked else None,
        search=(search or "").strip() or None,
        departments=tuple(departments),
        whole_organization=one == organization.organization_id,
        in_two_scopes=other != 0,
        certified=certified,
    )
    a, b = (asked.a, asked.b) if asked else (0, 0)
    key = LearnersKey(organization.organization_id, one, other, a, b, known.at_us)
    words = in_words(asked.words if asked else EVERYBODY, organization, scopes, known)
    return Listed(key, who, words, known)


def _one_or_two(organization: OrganizationRow, scopes: Sequence[NamedScope]) -> tuple[int, int]:
    """What is in a team is in its organization anyway, so that is only asked for where nothing narrower is."""
    narrower = [scope.scope_id for scope in scopes if scope.scope_id != organization.organization_id]
    one, other, *more = [*(narrower or [organization.organization_id]), 0, 0]
    if any(more):
        raise QuestionError(QuestionErrorCode.TOO_MANY_SCOPES, "Narrow a team or a library by one other.", "team")
    return one, other


def in_words(question: str, organization: OrganizationRow, scopes: Sequence[NamedScope], known: AsKnown) -> str:
    """The question, where it is asked, and as known when, if somebody named that."""
    narrower = (scope.name for scope in scopes if scope.scope_id != organization.organization_id)
    return as_known(", ".join([question, organization.name, *narrower]), known.asked)
