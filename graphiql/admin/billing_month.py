"""/admin/billing: the counts of a month, of all clients; and for staff the button that takes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import ClassVar, TypedDict, cast

from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import Deed, Form, Page, Variables, Visit, link, present
from models.interval import months_later


class Known(TypedDict):
    """Something else by its id."""

    id: str


class Line(TypedDict):
    snapshot: Known | None


class Invoice(TypedDict):
    id: str
    number: str
    date: str
    state: str
    lines: list[Line]


class Invoices(TypedDict):
    nodes: list[Invoice]


class Dispute(TypedDict):
    id: str
    number: str
    state: str
    snapshot: Known | None


class Disputes(TypedDict):
    nodes: list[Dispute]


class Client(TypedDict):
    invoices: Invoices
    disputes: Disputes


class Snapshot(TypedDict):
    id: str
    date: str
    organization: Client


class Month(TypedDict):
    nodes: list[Snapshot]
    pageInfo: PageInfo


class Dated(TypedDict):
    date: str


class Taken(TypedDict):
    nodes: list[Dated]


class HasTaken(TypedDict):
    billingSnapshots: Taken


class Recent(TypedDict):
    nodes: list[HasTaken]


class Data(TypedDict, total=False):
    month: Month | None
    recent: Recent


RUN = "BillingSnapshotRun", "billingSnapshotRun"


class BillingMonthPage(Page):
    path = "/admin/billing"
    operation = "BillingMonthPage"
    template = "billing_month.html"
    section = "billing"
    deeds: ClassVar = {"preview": Deed(*RUN, looks=True), "take": Deed(*RUN)}

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.date = visit.text("date") or visit.today.replace(day=1).isoformat()
        self.over = visit.text("over") == "yes"
        self.search = visit.text("search")

    def variables(self) -> Variables:
        return {
            "date": self.date,
            **present(overageOnly=self.over, search=self.search, staff=self.is_staff),
            **self.visit.paging(),
        }

    def variables_of_form(self) -> Variables:
        return {"date": self.visit.today.isoformat(), "answered": False}

    def deed_variables(self, deed: str, form: Form) -> Variables:
        return {"input": {"date": self.date, "dryRun": deed == "preview"}}

    def elsewhere(self, data: Mapping[str, object]) -> str | None:
        """Where no month was asked for and this one was not taken yet: the last one that was."""
        month, latest = cast("Data", data).get("month"), self._latest(data)
        if "date" in self.visit.query or (month and month["nodes"]) or not latest:
            return None
        return self.address(date=latest)

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        month = cast("Data", data).get("month")
        return {
            "month": month,
            "rows": [_row(one) for one in month["nodes"]] if month else [],
            "latest": self._latest(data),
            "run": data.get("run"),
            "preview": self.seen.get("preview"),
            "months": self._months(),
            "paging": paging_links(self.path, self._state(), month["pageInfo"]) if month else {},
        }

    def address(self, **changes: str) -> str:
        return link(self.path, self._state() | changes)

    def _state(self) -> dict[str, str]:
        return {"date": self.date, "over": "yes" if self.over else "", "search": self.search}

    def _latest(self, data: Mapping[str, object]) -> str:
        clients = cast("Data", data).get("recent", {"nodes": []})["nodes"]
        return max((one["date"] for client in clients for one in client["billingSnapshots"]["nodes"]), default="")

    def _months(self) -> dict[str, str]:
        """The first days of the months before and after; none if the date is no day."""
        try:
            first = dt.date.fromisoformat(self.date).replace(day=1)
            return {"before": months_later(first, -1).isoformat(), "after": months_later(first, 1).isoformat()}
        except ValueError:
            return {}


def _row(snapshot: Snapshot) -> Mapping[str, object]:
    """A snapshot with the invoices that bill it, and the disputes about it."""
    client = snapshot["organization"]
    invoices = [one for one in client["invoices"]["nodes"] if any(is_about(line, snapshot) for line in one["lines"])]
    disputes = [one for one in client["disputes"]["nodes"] if is_about(one, snapshot)]
    return {"snapshot": snapshot, "invoices": invoices, "disputes": disputes}


def is_about(about: Line | Dispute, snapshot: Known) -> bool:
    found = about["snapshot"]
    return found is not None and found["id"] == snapshot["id"]
