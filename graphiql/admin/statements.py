"""Statements of what is billed later: an organization's and a program's, and one statement with its lines.

That a statement was paid is asked twice, as with orders: the form that records it is on the page with `confirm` in its
address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypedDict, cast

from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import BadAddress, Deed, Form, Page, Variables, Visit, amount_of, clean, present, text_of
from graphiql.operations import JSON
from models.access import Role

STATES: dict[str, tuple[str, list[JSON] | None]] = {
    "all": ("all", None),
    "due": ("that are due", ["DUE", "PAYMENT_UNKNOWN"]),
    "paid": ("paid", ["PAID"]),
}


class Statements(TypedDict):
    totalCount: int
    pageInfo: PageInfo


class Place(TypedDict, total=False):
    """An organization or a program."""

    statements: Statements | None


class StatementListPage(Page):
    """What the lists of both have in common."""

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.chosen = {"state": visit.text("state") or "all"}

    def which(self) -> Variables:
        state = self.chosen["state"]
        if state not in STATES:
            raise BadAddress(f"No statements are {state}. Choose one of the list.")
        return {"states": STATES[state][1], **self.visit.paging()}

    def listed(self, place: Place) -> dict[str, object]:
        listed = place.get("statements")
        links = paging_links(self.address_of_page, self.chosen, listed["pageInfo"]) if listed else {}
        states = {name: words for name, (words, _) in STATES.items()}
        return {"statements": listed, "paging": links, "states": states}


class StatementsPage(StatementListPage):
    path = "/admin/organizations/{slug}/statements"
    operation = "StatementsPage"
    template = "statements.html"

    @property
    def slug(self) -> str:
        return clean(str(self.visit.path["slug"]))

    def variables(self) -> Variables:
        return {"organization": self.slug, **self.which()}

    def variables_of_form(self) -> Variables:
        return {"organization": self.slug, "listed": False}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return data.get("organization") is not None

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        return {"organization": data["organization"], **self.listed(cast("Place", data["organization"]))}


class ProgramStatementsPage(StatementListPage):
    path = "/admin/programs/{id}/statements"
    operation = "ProgramStatementsPage"
    template = "program_statements.html"
    section = "programs"

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    def variables(self) -> Variables:
        return {"program": self.id, **self.which()}

    def variables_of_form(self) -> Variables:
        return {"program": self.id, "listed": False}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return data.get("program") is not None

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        return {"program": data["program"], **self.listed(cast("Place", data["program"]))}


class _Lines(TypedDict):
    pageInfo: PageInfo


class _Statement(TypedDict, total=False):
    state: str
    lines: _Lines | None


class StatementPage(Page):
    path = "/admin/statements/{id}"
    operation = "StatementPage"
    template = "statement.html"
    deeds: ClassVar = {"pay": Deed("VoucherStatementPay", "voucherStatementPay")}

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    @property
    def confirming(self) -> str:
        """What is asked for a second time before it is done."""
        return self.sent.get("deed") or self.visit.text("confirm")

    @property
    def runs(self) -> bool:
        """Whether the visitor may act for a program; for which, the API decides."""
        return self.visit.principal.role in (Role.STAFF, Role.PROGRAM)

    @property
    def export(self) -> str:
        return f"/exports/statements/{self.id}/lines.csv"

    def variables(self) -> Variables:
        return {"id": self.id, **self.visit.paging()}

    def variables_of_form(self) -> Variables:
        return {"id": self.id, "listed": False}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return bool(data.get("node"))

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        return self.address_of_page

    def deed_variables(self, deed: str, form: Form) -> Variables:
        asked: Variables = {"statement": self.id, "amount": amount_of(form)}
        asked |= {"paymentReference": text_of(form, "reference"), "idempotencyKey": text_of(form, "key")}
        return {"input": {**asked, **present(purchaseOrder=text_of(form, "order"))}}

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        statement = cast("_Statement", data["node"])
        lines = statement.get("lines")
        return {
            "statement": statement,
            "lines": lines,
            "payable": self.runs and statement["state"] == "DUE",
            "paging": paging_links(self.address_of_page, {}, lines["pageInfo"]) if lines else {},
        }
