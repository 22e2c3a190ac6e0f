"""Lists as files: /exports/learners.csv answers with what the page of the same address shows, as it is read."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence

from graphql import GraphQLError
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from graphiql.admin.pages import clean
from models.activity import Predicate
from models.errors import DomainError, NotFound
from resolvers.activity import ActivityQuestion, At, CutoffOf, Days, Span
from resolvers.exports import AskedLearners, csv_of, prepare
from resolvers.loaders.places import ScopeKey
from schema.ids import decode_id
from schema.scalars import read_day, read_instant
from schema.scopes import LearnerSort
from server.database import Database
from server.downloads import attached, refused

SPAN_PARAMETERS = ("from", "through", "cutoffOf", "at")
PARAMETERS = frozenset(
    ("organization", "team", "library", "question", *SPAN_PARAMETERS, "knownAt", "search", "department", "sort")
)


class BadParameter(Exception):
    """A parameter of the address cannot be used; the message says which one, and what would do."""


def export_routes(
    database: Database, clock: Callable[[], dt.datetime], guard: Sequence[Middleware] = ()
) -> list[Route]:
    """`guard` lets known callers through only, and leaves who they are in `request.state.principal`."""

    async def learners(request: Request) -> Response:
        try:
            asked = asked_learners(request.query_params)
            export = await prepare(database.reading, database.run, request.state.principal, clock(), asked)
        except NotFound as refusal:
            return refused(refusal.message, 404)
        except (DomainError, GraphQLError, BadParameter) as refusal:
            return refused(str(refusal), 400)
        return StreamingResponse(
            csv_of(database.reading, export),
            media_type="text/csv; charset=utf-8",
            headers=attached(file_name(asked)),
        )

    return [Route("/exports/learners.csv", learners, middleware=guard)]


def asked_learners(query: QueryParams) -> AskedLearners:
    """The list that an address asks for. A name that means nothing here is refused: it might be a misspelled filter."""
    unknown = sorted(set(query) - PARAMETERS)
    if unknown:
        known = ", ".join(sorted(PARAMETERS))
        raise BadParameter(f"{clean(unknown[0])} is no parameter of this list. There are: {known}.")
    given = {name: clean(query[name]) for name in query}
    sort = _sort(given.get("sort") or "NAME")
    return AskedLearners(
        organization=given.get("organization", ""),
        question=_question(given),
        team=_scope(given.get("team"), "Team"),
        library=_scope(given.get("library"), "Library"),
        known_at=read_instant(given["knownAt"]) if given.get("knownAt") else None,
        search=given.get("search"),
        departments=tuple(filter(None, map(clean, query.getlist("department")))),
        order=sort.order,
        descending=sort.descending,
    )


def _question(given: dict[str, str]) -> ActivityQuestion | None:
    """One of the five; none if the address names neither a question nor any dates."""
    if not any(given.get(name) for name in ("question", *SPAN_PARAMETERS)):
        return None
    name = given.get("question") or Predicate.ACTIVE_DURING.name
    if name not in Predicate.__members__:
        raise BadParameter(f"question is {name}, and must be one of {', '.join(Predicate.__members__)}.")
    predicate = Predicate[name]
    return ActivityQuestion(predicate, _moment(given) if predicate is Predicate.ACTIVE_AT else _days(given))


def _moment(given: dict[str, str]) -> Span:
    if given.get("cutoffOf"):
        return CutoffOf(read_day(given["cutoffOf"]))
    if given.get("at"):
        return At(read_instant(given["at"]))
    raise BadParameter("ACTIVE_AT is asked of a moment: give cutoffOf (a day) or at (an instant).")


def _days(given: dict[str, str]) -> Span:
    return Days(read_day(given.get("from", "")), read_day(given.get("through", "")))


def _scope(given: str | None, kind: str) -> ScopeKey | None:
    return ScopeKey(*decode_id(given, kind, 2, kind.lower())) if given else None


def _sort(name: str) -> LearnerSort:
    if name not in LearnerSort.__members__:
        raise BadParameter(f"sort is {name}, and must be one of {', '.join(LearnerSort.__members__)}.")
    return LearnerSort[name]


def file_name(asked: AskedLearners) -> str:
    """ASCII that tells what is in the file, such as xtra-lease-active-during-2017-09-01-2017-09-30.csv."""
    parts = [asked.organization, "learners"]
    if asked.question:
        parts = [asked.organization, asked.question.predicate.name, *_dates_of(asked.question.span)]
    return f"{re.sub(r'[^a-z0-9]+', '-', ' '.join(parts).lower()).strip('-')}.csv"


def _dates_of(span: Span) -> list[str]:
    match span:
        case Days(first, last):
            return [first.isoformat(), last.isoformat()]
        case CutoffOf(day):
            return ["cutoff", day.isoformat()]
        case At(instant):
            return [f"{instant:%Y-%m-%dT%H%M%SZ}"]
        case _:
            return []
