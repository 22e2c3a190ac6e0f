"""/admin/snapshots/{id}: one frozen count, and everything that explains it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import ClassVar, NotRequired, TypedDict, cast

from graphiql.admin.billing_month import Dispute, Line, is_about
from graphiql.admin.chart import Chart, Day, chart_of
from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import Deed, Form, Page, Variables, clean, link, present, text_of, whole_number

# Of the chart: what led to the count, and what came of it.
DAYS_BEFORE, DAYS_AFTER = 31, 45
CERTAIN = {"": None, "yes": True, "no": False}


class BillingLine(Line):
    number: int


class Invoice(TypedDict):
    id: str
    number: str
    lines: list[BillingLine]


class Invoices(TypedDict):
    nodes: list[Invoice]


class Disputes(TypedDict):
    nodes: list[Dispute]


class Peak(TypedDict):
    firstDate: str


class Client(TypedDict):
    invoices: Invoices
    disputes: Disputes
    activitySeries: NotRequired[list[Day]]
    activityPeak: NotRequired[Peak]


class Product(TypedDict):
    kind: str


class Entries(TypedDict):
    pageInfo: PageInfo


class Snapshot(TypedDict):
    id: str
    date: str
    product: Product
    licensed: int | None
    entries: Entries
    organization: Client


class Data(TypedDict):
    node: Snapshot


class SnapshotPage(Page):
    path = "/admin/snapshots/{id}"
    operation = "SnapshotPage"
    template = "snapshot.html"
    section = "billing"
    deeds: ClassVar = {
        "pack": Deed("EvidencePackBuild", "evidencePackBuild"),
        "approve": Deed("UncertainApprove", "uncertainApprove"),
        "adjust": Deed("AdjustmentCreate", "adjustmentCreate"),
    }

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    def variables(self) -> Variables:
        text, to, certain = self.visit.text, self.visit.text("to"), CERTAIN.get(self.visit.text("certain"))
        return {
            "id": self.id,
            **present(search=text("search"), to={"cutoffOf": to} if to else None),
            **({"certain": certain} if certain is not None else {}),
            **self._charted(),
            **self.visit.paging(),
        }

    def variables_of_form(self) -> Variables:
        return {"id": self.id}

    def deed_variables(self, deed: str, form: Form) -> Variables:
        if deed == "pack":
            return {"input": {"snapshot": self.id}}
        given: Variables = {
            "snapshot": self.id,
            "reason": text_of(form, "reason"),
            "idempotencyKey": text_of(form, "key"),
        }
        if deed == "approve":
            given["quantity"] = whole_number(form, "quantity", "The number of people")
        return {"input": given}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return bool(data.get("node"))

    def elsewhere(self, data: Mapping[str, object]) -> str | None:
        """The chart is about days that only the snapshot knows: they go into the address."""
        snapshot = cast("Data", data)["node"]
        if "on" in self.visit.query or snapshot["product"]["kind"] != "SEATS":
            return None
        return link(self.address_of_page, dict(self.visit.query) | {"on": snapshot["date"]})

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        snapshot = cast("Data", data)["node"]
        client = snapshot["organization"]
        return {
            "snapshot": snapshot,
            "client": client,
            "billed": [
                (invoice, line)
                for invoice in client["invoices"]["nodes"]
                for line in invoice["lines"]
                if is_about(line, snapshot)
            ],
            "disputes": [one for one in client["disputes"]["nodes"] if is_about(one, snapshot)],
            "chart": _chart(snapshot),
            "paging": self._paging(snapshot["entries"]["pageInfo"]),
        }

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        return f"{self.here}#evidence" if deed == "pack" else self.here

    def _paging(self, info: PageInfo) -> dict[str, str]:
        found = paging_links(self.address_of_page, self._state(), info)
        return {name: f"{address}#counted" if address else "" for name, address in found.items()}

    def _state(self) -> dict[str, str]:
        return {name: self.visit.text(name) for name in ("on", "to", "search", "certain")}

    def _charted(self) -> Variables:
        try:
            on = dt.date.fromisoformat(self.visit.text("on"))
            first, last = on - dt.timedelta(days=DAYS_BEFORE), on + dt.timedelta(days=DAYS_AFTER)
        except (ValueError, OverflowError):
            return {}
        last = min(last, self.visit.today)
        if last <= first:
            return {}
        return {"charted": True, "dates": {"from": first.isoformat(), "through": last.isoformat()}}


def _chart(snapshot: Snapshot) -> Chart | None:
    days, peak = snapshot["organization"].get("activitySeries"), snapshot["organization"].get("activityPeak")
    return chart_of(days, peak["firstDate"], snapshot["licensed"], snapshot["date"]) if days and peak else None
