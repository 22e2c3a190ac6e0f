"""Vouchers and what they paid as files: /exports/organizations/{slug}/vouchers.csv and redemptions.csv, and the same of
/exports/programs/{slug}. The parameters are those of the API's lists, by the same names.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from graphql import GraphQLError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from graphiql.admin.pages import clean
from models.errors import DomainError, NotFound
from models.interval import BEGINNING, FOREVER
from models.voucher_states import VoucherState
from resolvers.database import Reading
from resolvers.loaders.places import organization_by_slug
from resolvers.loaders.voucher_lists import Between, Chosen, Of
from resolvers.loaders.voucher_programs import program_by_slug
from resolvers.papers.vouchers_csv import Asked, redemptions_csv, vouchers_csv
from resolvers.principal import Principal
from resolvers.vouchers.listing import in_organization, in_program
from schema.ids import decode_id
from schema.scalars import read_instant
from server.database import Database
from server.downloads import attached, refused
from server.exports import BadParameter

OF_VOUCHERS = ("states", "purpose", "learner", "expiresBefore", "flagged", "lastFour", "program", "organization")
OF_REDEMPTIONS = ("since", "until")
FLAGGED = {"yes": True, "no": False}

# What an address asks for: of each parameter its values.
Given = Mapping[str, Sequence[str]]
Endpoint = Callable[[Request], Awaitable[Response]]
Place = Callable[[AsyncConnection, Principal, str, Given, dt.datetime], Awaitable[Asked]]
Listed = Callable[[Reading, Asked, Given], AsyncIterator[str]]


def voucher_export_routes(
    database: Database, clock: Callable[[], dt.datetime], guard: Sequence[Middleware] = ()
) -> list[Route]:
    """`guard` lets known callers through only, and leaves who they are in `request.state.principal`."""
    lists = {"vouchers": _vouchers, "redemptions": _redemptions}
    places = {"organizations": _in_organization, "programs": _in_program}
    return [
        Route(
            f"/exports/{plural}/{{slug}}/{what}.csv", _download(database, clock, place, what, listed), middleware=guard
        )
        for plural, place in places.items()
        for what, listed in lists.items()
    ]


def _download(
    database: Database, clock: Callable[[], dt.datetime], place: Place, what: str, listed: Listed
) -> Endpoint:
    async def download(request: Request) -> Response:
        slug, query = request.path_params["slug"], request.query_params
        try:
            given = _given(query, OF_VOUCHERS if what == "vouchers" else OF_REDEMPTIONS)
            async with database.reading() as connection:
                asked = await place(connection, request.state.principal, slug, given, clock())
            text = listed(database.reading, asked, given)
        except NotFound as refusal:
            return refused(refusal.message, 404)
        except (DomainError, GraphQLError, BadParameter) as refusal:
            return refused(str(refusal), 400)
        headers = attached(_file_name(slug, what, asked.now))
        return StreamingResponse(text, media_type="text/csv; charset=utf-8", headers=headers)

    return download


# ------------------------------------------------------------------------------------------- whose lists


async def _in_organization(
    connection: AsyncConnection, principal: Principal, slug: str, given: Given, now: dt.datetime
) -> Asked:
    found = await organization_by_slug(connection, slug)
    if found is None:
        raise NotFound("organization")
    key = in_organization(principal, found.organization_id, _key(given, "Program"), _key(given, "Organization"))
    return Asked(principal=principal, of=Of.ORGANIZATION, key=key, whose=found.name, words=_words(given), now=now)


async def _in_program(
    connection: AsyncConnection, principal: Principal, slug: str, given: Given, now: dt.datetime
) -> Asked:
    found = await program_by_slug(connection, slug)
    if found is None or _key(given, "Program") not in (0, found.id):
        raise NotFound("program")
    key = in_program(principal, found.id, found.id, _key(given, "Organization"))
    return Asked(principal=principal, of=Of.PROGRAM, key=key, whose=found.name, words=_words(given), now=now)


def _key(given: Given, kind: str) -> int:
    name = kind.lower()
    return decode_id(given[name][0], kind, 1, name)[0] if name in given else 0


# ------------------------------------------------------------------------------------------- what of them


def _given(query: QueryParams, known: Sequence[str]) -> Given:
    """What the address asks for. A name that means nothing here is refused: it might be a misspelled filter."""
    unknown = sorted(set(query) - set(known))
    if unknown:
        raise BadParameter(f"{clean(unknown[0])} is no parameter of this list. There are: {', '.join(known)}.")
    given = {name: [clean(value) for value in query.getlist(name) if clean(value)] for name in query}
    return {name: values for name, values in given.items() if values}


def _vouchers(reading: Reading, asked: Asked, given: Given) -> AsyncIterator[str]:
    one = {name: values[0] for name, values in given.items()}
    learner = decode_id(one["learner"], "Learner", 2, "learner") if "learner" in one else None
    chosen = Chosen(
        now=asked.now,
        states=tuple(sorted(map(_state, given["states"]), key=lambda one: one.name)) if "states" in given else None,
        purpose=one.get("purpose"),
        learner=(learner[0], learner[1]) if learner else None,
        expires_before=read_instant(one["expiresBefore"]) if "expiresBefore" in one else None,
        flagged=_flagged(one["flagged"]) if "flagged" in one else None,
        last_four=one["lastFour"].upper() if "lastFour" in one else None,
    )
    return vouchers_csv(reading, asked, chosen)


def _redemptions(reading: Reading, asked: Asked, given: Given) -> AsyncIterator[str]:
    since, until = (read_instant(given[name][0]) if name in given else None for name in OF_REDEMPTIONS)
    return redemptions_csv(reading, asked, Between(since or BEGINNING, until or FOREVER))


def _state(name: str) -> VoucherState:
    if name not in VoucherState.__members__:
        raise BadParameter(f"states has {name}, and each must be one of {', '.join(VoucherState.__members__)}.")
    return VoucherState[name]


def _flagged(word: str) -> bool:
    if word not in FLAGGED:
        raise BadParameter(f"flagged is {word}, and must be yes or no.")
    return FLAGGED[word]


def _words(given: Given) -> str:
    """As the address asks for it, so that the file means the same to whoever finds it."""
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in given.items()) or "all"


def _file_name(slug: str, what: str, now: dt.datetime) -> str:
    words = f"{slug} {what} {now:%Y-%m-%d}".lower()
    return f"{re.sub(r'[^a-z0-9]+', '-', words).strip('-')}.csv"
