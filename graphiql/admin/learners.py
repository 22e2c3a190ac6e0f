"""/admin/organizations/{slug}: Team → Learners, the page that answers «who was active?»."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import TypedDict, cast
from urllib.parse import quote

from graphiql.admin.chart import Chart, Day, chart_of
from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import BadAddress, Page, Variables, Visit, clean, link, present
from graphiql.admin.vocabulary import CHOICE, CHOICES, DATE_COLUMNS, DEFAULT, QUALITIES, SORTED_COLUMNS, AskedOf, Choice
from graphiql.operations import JSON

FILTERS = ("team", "library", "search", "department", "sort", "knownAt")
# A quarter: the days of a chart are counted while somebody waits for the page.
MOST_CHARTED_DAYS = 100
ZONELESS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?")
# What a browser's own field for an instant can show; it has no zone, so it is labelled UTC.
SHOWN_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z")


class Window(TypedDict):
    activatedOn: str | None
    deactivatedOn: str | None
    lastActiveOn: str | None
    quality: str


class Learner(TypedDict):
    id: str
    name: str | None
    email: str | None
    externalId: str | None
    department: str | None


class Edge(TypedDict):
    certain: bool
    node: Learner
    window: Window | None


class Learners(TypedDict):
    question: str
    totalCount: int
    edges: list[Edge]
    pageInfo: PageInfo


class Listed(TypedDict):
    learners: Learners


class Count(TypedDict):
    exact: int | None
    min: int
    max: int


class Peak(TypedDict):
    firstDate: str
    count: Count


class Counted(TypedDict, total=False):
    name: str
    activeCount: Count
    activitySeries: list[Day]
    activityPeak: Peak


class Place(TypedDict):
    id: str
    name: str


class Places(TypedDict):
    nodes: list[Place]
    pageInfo: PageInfo


class Organization(TypedDict):
    slug: str
    name: str
    billingZone: str
    teams: Places
    libraries: Places


class Data(TypedDict, total=False):
    organization: Organization | None
    list: Listed | None
    whole: Counted | None
    part: Counted | None


class LearnersPage(Page):
    path = "/admin/organizations/{slug}"
    operation = "LearnersPage"
    template = "learners.html"

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.slug = clean(str(visit.path["slug"]))
        self.question = visit.text("question") or DEFAULT.key
        self.typed = {name: visit.text(name) for name in FILTERS}
        self.typed["sort"] = self.typed["sort"] or "NAME"
        self.typed["knownAt"] = in_utc(self.typed["knownAt"])
        self.span = self._span()

    def _span(self) -> dict[str, str]:
        """What the questions are asked of. A field that the address does not have, as on a first visit or after another
        question, gets a value that gives an answer: this month so far, or what the other question was asked of."""
        given = {name: self.visit.text(name) for one in AskedOf for name in one.fields if name in self.visit.query}
        today, day = self.visit.today, given.get("cutoffOf")
        first = given.get("from", day or today.replace(day=1).isoformat())
        others = {"from": first, "through": day or today.isoformat(), "cutoffOf": first, "at": ""}
        return others | given | {"at": in_utc(given.get("at", ""))}

    @property
    def choice(self) -> Choice:
        return CHOICE.get(self.question, DEFAULT)

    # ------------------------------------------------------------------------------------ to the operation

    def variables(self) -> Variables:
        if self.question not in CHOICE:
            raise BadAddress(f"There is no question named {self.question}. Choose one of the list.")
        typed = self.typed
        return {
            "organization": self.slug,
            "activity": self._activity(),
            "sortBy": typed["sort"],
            **present(**{name: typed[name] for name in ("team", "library", "search", "knownAt")}),
            **present(department=[typed["department"]] if typed["department"] else None),
            **self._counted(),
            **self._charted(),
            **self.visit.paging(),
        }

    def variables_of_form(self) -> Variables:
        return {"organization": self.slug, "answered": False, "counted": False}

    def _activity(self) -> JSON:
        choice, span = self.choice, self.span
        match choice.asked_of:
            case AskedOf.RANGE:
                return {choice.argument: {"dates": {"from": span["from"], "through": span["through"]}}}
            case AskedOf.CUTOFF:
                return {choice.argument: {"cutoffOf": span["cutoffOf"]}}
            case AskedOf.INSTANT:
                return {choice.argument: {"at": span["at"]}}

    def _counted(self) -> Variables:
        """Of a team and a library at once there is a list, and no count of its own."""
        team, library = self.typed["team"], self.typed["library"]
        if team and library:
            return {"counted": False}
        return {"scope": team or library, "narrowed": True} if team or library else {}

    def _charted(self) -> Variables:
        first, last = _day(self.span["from"]), _day(self.span["through"])
        if self.choice.asked_of is not AskedOf.RANGE or first is None or last is None:
            return {}
        if not 1 <= (last - first).days < MOST_CHARTED_DAYS:
            return {}
        return {"charted": True, "dates": {"from": self.span["from"], "through": self.span["through"]}}

    # ------------------------------------------------------------------------------------- to the template

    def is_found(self, data: Mapping[str, object]) -> bool:
        return data.get("organization") is not None

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        answer = cast("Data", data)
        listed = answer.get("list")
        learners = listed["learners"] if listed else None
        counted = answer.get("part") or answer.get("whole") or {}
        return {
            "organization": answer["organization"],
            "choices": CHOICES,
            "learners": learners,
            "rows": [_row(edge) for edge in learners["edges"]] if learners else [],
            "count": counted.get("activeCount"),
            # The name of the team or library asked of, which may be beyond those that the form offers.
            "place": counted.get("name"),
            "chart": self._chart(counted),
            "paging": self._paging(learners["pageInfo"]) if learners else {},
            "date_columns": DATE_COLUMNS,
            "columns": [self._column(label, sort) for label, sort in SORTED_COLUMNS],
            "download": self._download(),
        }

    @property
    def address_of_organization(self) -> str:
        return self.path.format(slug=quote(self.slug, safe=""))

    @property
    def is_narrowed_by_text(self) -> bool:
        return bool(self.typed["search"] or self.typed["department"])

    def _state(self) -> dict[str, str]:
        """All that the address says but for the place in the list: the same address shows the same list again."""
        span = {name: self.span[name] for name in self.choice.asked_of.fields}
        return {"question": self.question, **span, **self.typed}

    def address(self, **changes: str) -> str:
        """The address of this page with something else chosen, from the list's beginning."""
        return link(self.address_of_organization, self._state() | changes)

    def _paging(self, info: PageInfo) -> dict[str, str]:
        return paging_links(self.address_of_organization, self._state(), info)

    def _download(self) -> str:
        asked = {"organization": self.slug, **self._state(), "question": self.choice.question}
        return link("/exports/learners.csv", asked)

    def _column(self, label: str, sort: str) -> dict[str, str]:
        """A heading that orders the list by its column; the same one again turns the order round."""
        chosen = self.typed["sort"]
        order = {sort: "ascending", f"{sort}_DESC": "descending"}.get(chosen, "none")
        turned = f"{sort}_DESC" if chosen == sort else sort
        return {"label": label, "order": order, "address": self.address(sort=turned)}

    def _chart(self, counted: Counted) -> Chart | None:
        series, peak = counted.get("activitySeries"), counted.get("activityPeak")
        return chart_of(series, peak["firstDate"]) if series and peak and peak["count"]["max"] else None

    def shown_as(self, name: str) -> tuple[str, str]:
        """The kind of a date's field and its value: what a date field cannot show is kept as the text it was."""
        value = {**self.span, **self.typed}[name]
        if name in ("at", "knownAt"):
            fits = not value or SHOWN_INSTANT.fullmatch(value)
            return ("datetime-local", value.removesuffix("Z")) if fits else ("text", value)
        return ("date", value) if not value or _day(value) else ("text", value)


def _row(edge: Edge) -> dict[str, object]:
    """A learner with the dates of the latest window that answers."""
    learner, window = edge["node"], edge["window"]
    return {
        **{name: learner[name] or "" for name in ("name", "email", "externalId", "department")},
        "id": learner["id"],
        "dates": (window["activatedOn"], window["deactivatedOn"], window["lastActiveOn"]) if window else (None,) * 3,
        "certain": edge["certain"],
        "quality": QUALITIES[window["quality"]] if window else "",
    }


def in_utc(typed: str) -> str:
    """An instant as the API takes it. A browser's field for one has no zone, and ours are labelled UTC."""
    return f"{typed}Z" if ZONELESS.fullmatch(typed) else typed


def _day(typed: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(typed) if len(typed) == len("2017-09-01") else None
    except ValueError:
        return None
