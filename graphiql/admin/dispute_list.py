"""/admin/disputes: the cases, the nearest deadline first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast

from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import BadAddress, Page, Variables, Visit, link, present
from graphiql.operations import JSON

UNDECIDED: list[JSON] = ["OPEN", "EVIDENCE_READY", "WITH_CLIENT"]
DECIDED: list[JSON] = ["UPHELD", "PARTIAL", "REJECTED", "WITHDRAWN"]
STANDS: dict[str, tuple[str, list[JSON] | None]] = {
    "undecided": ("to be decided", UNDECIDED),
    "with-client": ("with the client", ["WITH_CLIENT"]),
    "decided": ("decided, to be closed", DECIDED),
    "closed": ("closed", ["CLOSED"]),
    "all": ("all", None),
}
ORIGINS = {"CLIENT": "the client", "STAFF": "staff", "DRIFT": "the nightly check"}
FILTERS = ("stands", "origin", "assignee", "overdue")


class Disputes(TypedDict):
    totalCount: int
    pageInfo: PageInfo


class Data(TypedDict, total=False):
    disputes: Disputes | None


class DisputesPage(Page):
    path = "/admin/disputes"
    operation = "DisputesPage"
    template = "disputes.html"
    section = "disputes"

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.chosen = {name: visit.text(name) for name in FILTERS}
        self.chosen["stands"] = self.chosen["stands"] or "undecided"

    def variables(self) -> Variables:
        chosen = self.chosen
        if chosen["stands"] not in STANDS:
            raise BadAddress(f"No disputes stand {chosen['stands']}. Choose one of the list.")
        origins: list[JSON] = [chosen["origin"]]
        asked = present(
            states=STANDS[chosen["stands"]][1],
            origins=origins if chosen["origin"] else None,
            assignee=chosen["assignee"],
            overdue=chosen["overdue"] == "yes",
        )
        return {"filter": asked, **self.visit.paging()}

    def variables_of_form(self) -> Variables:
        return {"listed": False}

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        listed = cast("Data", data).get("disputes")
        return {
            "disputes": listed,
            "stands": {name: words for name, (words, _) in STANDS.items()},
            "origins": ORIGINS,
            "paging": paging_links(self.path, self.chosen, listed["pageInfo"]) if listed else {},
        }

    def address(self, **changes: str) -> str:
        return link(self.path, self.chosen | changes)
