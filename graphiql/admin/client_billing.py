"""/admin/organizations/{slug}/billing: what one client agreed, was counted, was billed, disputed and paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from graphiql.admin.pages import (
    Deed,
    Form,
    Page,
    Variables,
    amount_of,
    clean,
    explorer_link,
    present,
    text_of,
    whole_number,
)


class ClientBillingPage(Page):
    path = "/admin/organizations/{slug}/billing"
    operation = "ClientBillingPage"
    template = "client_billing.html"
    section = "billing"
    deeds: ClassVar = {
        "agree": Deed("ContractTermSet", "contractTermSet"),
        "amend": Deed("ContractTermAmend", "contractTermAmend"),
        "end": Deed("ContractTermEnd", "contractTermEnd"),
        "bill": Deed("BillingSnapshotRun", "billingSnapshotRun"),
        "approve": Deed("AdjustmentApprove", "adjustmentApprove"),
    }

    @property
    def slug(self) -> str:
        return clean(str(self.visit.path["slug"]))

    def variables(self) -> Variables:
        return {"organization": self.slug, "today": self.visit.today.isoformat()}

    def variables_of_form(self) -> Variables:
        return self.variables()

    def is_found(self, data: Mapping[str, object]) -> bool:
        return data.get("organization") is not None

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        return {"client": data["organization"], "simulation": explorer_link("BillingSimulation", self._last_year())}

    def _last_year(self) -> Variables:
        last = self.visit.today.replace(day=1)
        first = last.replace(year=last.year - 1)
        return {"organization": self.slug, "dates": {"from": first.isoformat(), "through": last.isoformat()}}

    def deed_variables(self, deed: str, form: Form) -> Variables:
        match deed:
            case "agree":
                return {"input": self._agreed(form)}
            case "amend":
                return {"input": _amended(form)}
            case "end":
                return {"input": _ended(form)}
            case "bill":
                return {"input": {"date": text_of(form, "date"), "organizations": [{"slug": self.slug}]}}
            case _:
                return {"input": {**_about(form, "adjustment", "reason"), "idempotencyKey": text_of(form, "key")}}

    def _agreed(self, form: Form) -> Variables:
        return {
            "organization": {"slug": self.slug},
            "dates": {"from": text_of(form, "from"), **present(through=text_of(form, "through"))},
            "quantity": whole_number(form, "quantity", "The number of people licensed"),
            "unitPrice": amount_of(form),
            **_about(form, "measure"),
            **present(reason=text_of(form, "reason")),
        }


def _amended(form: Form) -> Variables:
    """What stays empty stays as it is."""
    quantity = whole_number(form, "quantity", "The number of people licensed") if text_of(form, "quantity") else None
    return {
        **_about(form, "term", "from"),
        **({"quantity": quantity} if quantity is not None else {}),
        **present(unitPrice=amount_of(form) if text_of(form, "amount") else None),
        **present(measure=text_of(form, "measure"), reason=text_of(form, "reason")),
    }


def _ended(form: Form) -> Variables:
    return {
        **_about(form, "term"),
        "lastDay": text_of(form, "lastDay") or None,
        **present(reason=text_of(form, "reason")),
    }


def _about(form: Form, *fields: str) -> Variables:
    return {field: text_of(form, field) for field in fields}
