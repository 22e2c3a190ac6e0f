"""Certifications of learners, and how one is recorded."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from models.errors import HistoryErrorCode
from resolvers.certifications import Certifying, end_certification, set_certification
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.history import HistoryPayload, HistoryUserError, LearnerKeyInput, who_of
from schema.payloads import Refusals

NAME = "Its name; upper and lower case are the same."


@strawberry.input
class CertificationSetInput:
    learner: LearnerKeyInput = strawberry.field(description="Who holds it.")
    name: str = strawberry.field(description=NAME)
    expires_on: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="The last day on which it is valid; left out if it never expires."
    )


@strawberry.input
class CertificationEndInput:
    learner: LearnerKeyInput = strawberry.field(description="Who holds it no more.")
    name: str = strawberry.field(description=NAME)


@strawberry.type
class CertificationSetPayload(HistoryPayload):
    pass


@strawberry.type
class CertificationEndPayload(HistoryPayload):
    pass


def _refusals(payload: type[HistoryPayload]) -> list[Refusals]:
    return [Refusals(payload, HistoryUserError, HistoryErrorCode)]


@strawberry.type
class CertificationMutation:
    @mutation(
        "Say that a learner holds a certification, and until which day. What was known before stays in the history.",
        _refusals(CertificationSetPayload),
    )
    async def certification_set(
        self, info: Info, input: Annotated[CertificationSetInput, INPUT]
    ) -> CertificationSetPayload:
        who, context = await who_of(info, input.learner), info.context
        asked = Certifying(who=who, name=input.name, expires_on=given(input.expires_on))
        written = await context.write(lambda s: set_certification(s, context.principal, context.now, asked))
        return CertificationSetPayload(written=written)

    @mutation(
        "Say that a learner holds a certification no more, or never did. One that only expires needs no such end.",
        _refusals(CertificationEndPayload),
    )
    async def certification_end(
        self, info: Info, input: Annotated[CertificationEndInput, INPUT]
    ) -> CertificationEndPayload:
        who, context = await who_of(info, input.learner), info.context
        written = await context.write(lambda s: end_certification(s, context.principal, context.now, who, input.name))
        return CertificationEndPayload(written=written)
