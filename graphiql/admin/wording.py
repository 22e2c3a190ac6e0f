"""How amounts, instants, bounds and states are written on a page: the filters of the templates."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypedDict
from zoneinfo import ZoneInfo

from markupsafe import Markup

from models.cohorts import Verdict


class Money(TypedDict):
    amount: str
    currency: str


class MoneyBounds(TypedDict):
    min: Money
    max: Money


class Count(TypedDict):
    exact: int | None
    min: int
    max: int


MEASURES = {
    "AT_CUTOFF": "at the billing cutoff",
    "ANY_ON_DAY": "at any time of the day",
    "DISTINCT_IN_PERIOD": "at any time of the month before",
    "PEAK_DAY": "on the peak day of the month before",
}
# What a state is called, and how much it calls for attention.
STATES = {
    "DRAFT": ("draft", "quiet"),
    "CHALLENGE": ("open to challenge", "turn"),
    "ISSUED": ("issued", "plain"),
    "PAID": ("paid", "done"),
    "CANCELLED": ("cancelled", "quiet"),
    "OPEN": ("open", "turn"),
    "EVIDENCE_READY": ("evidence ready", "turn"),
    "WITH_CLIENT": ("with the client", "plain"),
    "UPHELD": ("upheld", "done"),
    "PARTIAL": ("upheld in part", "done"),
    "REJECTED": ("rejected", "done"),
    "WITHDRAWN": ("withdrawn", "quiet"),
    "CLOSED": ("closed", "quiet"),
    "CREDITED": ("credited", "done"),
    "AWAITING_APPROVAL": ("awaits approval", "turn"),
    "BILLED": ("billed", "done"),
    "SUPERSEDED": ("superseded", "quiet"),
    "AVAILABLE": ("available", "done"),
    "REDEEMED": ("redeemed", "quiet"),
    "EXPIRED": ("expired", "quiet"),
    "REVOKED": ("revoked", "turn"),
    "REFUNDED": ("refunded", "quiet"),
    "DUE": ("due", "turn"),
    "BOUNCED": ("bounced", "turn"),
    "COMMITTED": ("assigned", "done"),
    "UNDONE": ("taken back", "quiet"),
}


NAMED_STATE = re.compile(rf"\b(?:{'|'.join(STATES)})\b")


def money(value: Money | None) -> str:
    return f"{Decimal(value['amount']):,} {value['currency']}" if value else "–"


def monies(value: MoneyBounds | None) -> str:
    """An amount, or where dates were lost the least and the most that it can be."""
    if value is None:
        return "–"
    least, most = value["min"], value["max"]
    return money(least) if least == most else f"{Decimal(least['amount']):,}–{money(most)}"


def bounds(count: Count | None) -> str:
    if count is None:
        return "–"
    least, most = count["min"], count["max"]
    return f"{least:,}" if least == most else f"{least:,}–{most:,}"


def at(value: str | None, zone: str = "UTC") -> Markup:
    """An instant as the clocks of a zone show it, with the zone's own name for its time."""
    if not value:
        return Markup('<span class="none">–</span>')
    local = dt.datetime.fromisoformat(value).astimezone(ZoneInfo(zone))
    return Markup('<time datetime="{}">{} <small>{}</small></time>').format(
        value, local.strftime("%Y-%m-%d %H:%M"), local.tzname() or zone
    )


def day(value: str | None, otherwise: str = "–") -> Markup:
    if not value:
        return Markup('<span class="none">{}</span>').format(otherwise)
    return Markup('<time datetime="{0}">{0}</time>').format(value)


def state(value: str) -> Markup:
    words, kind = STATES.get(value, (words_of(value), "plain"))
    return Markup('<span class="state {}">{}</span>').format(kind, words)


def words_of(value: str) -> str:
    """A member of an enum as people read it: CHALLENGE_OPENED is «challenge opened»."""
    return value.replace("_", " ").lower()


def told(text: str | None) -> str:
    """What an event says, with states as people read them."""
    return NAMED_STATE.sub(lambda found: STATES[found[0]][0], text or "")


def measure(value: str) -> str:
    return MEASURES.get(value, words_of(value))


def verdict(value: str) -> str:
    return Verdict[value].value


def people(number: int) -> str:
    return "1 person" if number == 1 else f"{number:,} people"


FILTERS: Mapping[str, object] = {
    one.__name__: one for one in (money, monies, bounds, at, day, state, words_of, told, measure, verdict, people)
}
