"""The variables of the questions, as those receive them who read no documents."""

from __future__ import annotations

import datetime as dt
from typing import TypedDict

from tests.benchmarks.rivals.days import span, start_of

Dates = TypedDict("Dates", {"from": str, "through": str})


class Span(TypedDict):
    dates: Dates


class Moment(TypedDict):
    cutoffOf: str


class Activity(TypedDict, total=False):
    activeDuring: Span
    activeAt: Moment


class Variables(TypedDict):
    organization: str
    team: str
    learner: str
    activity: Activity


def span_of(activity: Activity, zone: str) -> tuple[int, int]:
    dates = activity["activeDuring"]["dates"]
    return span(dt.date.fromisoformat(dates["from"]), dt.date.fromisoformat(dates["through"]), zone)


def cutoff_of(activity: Activity, zone: str) -> int:
    """At midnight, as in the portal's organizations."""
    return start_of(dt.date.fromisoformat(activity["activeAt"]["cutoffOf"]), zone)
