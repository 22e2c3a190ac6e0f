"""/admin/invoices/{id}: one invoice, from its draft to its payment; where a line is accepted or disputed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, TypedDict, cast

from graphiql.admin.pages import Deed, Form, Page, Variables, amount_of, clean, present, text_of, whole_number


class Known(TypedDict):
    id: str


class DisputedLine(TypedDict):
    line: Known | None


class Dispute(TypedDict):
    id: str
    number: str
    lines: list[DisputedLine]


class Disputes(TypedDict):
    nodes: list[Dispute]


class Client(TypedDict):
    disputes: Disputes


class Invoice(TypedDict):
    id: str
    state: str
    organization: Client
    lines: list[Known]


class Data(TypedDict):
    node: Invoice


class InvoicePage(Page):
    path = "/admin/invoices/{id}"
    operation = "InvoicePage"
    template = "invoice.html"
    section = "billing"
    deeds: ClassVar = {
        "show": Deed("InvoiceChallengeOpen", "invoiceChallengeOpen"),
        "accept": Deed("InvoiceLineAccept", "invoiceLineAccept"),
        "dispute": Deed("DisputeOpen", "disputeOpen"),
        "issue": Deed("InvoiceIssue", "invoiceIssue"),
        "pay": Deed("InvoicePaymentRecord", "invoicePaymentRecord"),
        "approve": Deed("UncertainApprove", "uncertainApprove"),
        "cancel": Deed("InvoiceCancel", "invoiceCancel"),
    }

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    def variables(self) -> Variables:
        return {"id": self.id}

    def variables_of_form(self) -> Variables:
        return self.variables()

    def is_found(self, data: Mapping[str, object]) -> bool:
        return bool(data.get("node"))

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        invoice = cast("Data", data)["node"]
        disputes = invoice["organization"]["disputes"]["nodes"]
        about = {line["id"]: [one for one in disputes if _is_about(one, line["id"])] for line in invoice["lines"]}
        return {
            "invoice": invoice,
            "client": invoice["organization"],
            "disputes": about,
            "may_be_challenged": invoice["state"] in ("CHALLENGE", "ISSUED", "PAID"),
        }

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        """What was disputed is a case from now on."""
        opened = payload.get("dispute")
        return f"/admin/disputes/{cast('Known', opened)['id']}" if opened else super().after(deed, payload)

    def deed_variables(self, deed: str, form: Form) -> Variables:
        """A line and a snapshot are named by the form; all else is about the invoice itself."""
        about: Variables = {} if deed in ("accept", "dispute", "approve") else {"invoice": self.id}
        return {"input": {**about, **GIVEN[deed](form)}}


def _shown(form: Form) -> Variables:
    return {"days": whole_number(form, "days", "The number of days")}


def _accepted(form: Form) -> Variables:
    return {"line": text_of(form, "line"), **present(reason=text_of(form, "reason"))}


def _issued(form: Form) -> Variables:
    return {"withoutChallenge": True, "reason": text_of(form, "reason")} if "unshown" in form else {}


def _paid(form: Form) -> Variables:
    told: Variables = {"reference": text_of(form, "reference"), "idempotencyKey": text_of(form, "key")}
    return {"amount": amount_of(form), **told}


def _disputed(form: Form) -> Variables:
    """All people of the line that are not credited yet, if no number was typed."""
    line: Variables = {"line": text_of(form, "line")}
    if text_of(form, "quantity"):
        line["quantity"] = whole_number(form, "quantity", "The number of people disputed")
    return {"lines": [line], "reason": text_of(form, "reason")}


def _approved(form: Form) -> Variables:
    return {
        "snapshot": text_of(form, "snapshot"),
        "quantity": whole_number(form, "quantity", "The number of people"),
        "reason": text_of(form, "reason"),
        "idempotencyKey": text_of(form, "key"),
    }


def _is_about(dispute: Dispute, line_id: str) -> bool:
    return any(one["line"] is not None and one["line"]["id"] == line_id for one in dispute["lines"])


# What each deed is told besides the invoice itself.
GIVEN: Mapping[str, Callable[[Form], Variables]] = {
    "show": _shown,
    "accept": _accepted,
    "dispute": _disputed,
    "issue": _issued,
    "pay": _paid,
    "approve": _approved,
    "cancel": lambda form: {"reason": text_of(form, "reason")},
}
