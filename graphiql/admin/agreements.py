"""Agreements to bill an organization later: all of an organization, and one with what its next statement would hold.

A month is closed by hand after it was asked twice: first its preview is shown, with `confirm` in the address the form.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import ClassVar, TypedDict, cast

from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import BadAddress, Deed, Form, Page, Variables, clean, text_of
from models.access import Role


class AgreementsPage(Page):
    path = "/admin/organizations/{slug}/agreements"
    operation = "AgreementsPage"
    template = "agreements.html"

    @property
    def slug(self) -> str:
        return clean(str(self.visit.path["slug"]))

    def variables(self) -> Variables:
        return {"organization": self.slug}

    def variables_of_form(self) -> Variables:
        return self.variables()

    def is_found(self, data: Mapping[str, object]) -> bool:
        return data.get("organization") is not None

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        return {"organization": data["organization"]}


class _Unbilled(TypedDict):
    pageInfo: PageInfo


class _Preview(TypedDict):
    isOver: bool
    redemptions: int
    reversals: int


class _Agreement(TypedDict, total=False):
    nextStatement: _Preview
    unbilledRedemptions: _Unbilled | None


class _Closed(TypedDict):
    id: str


class AgreementPage(Page):
    path = "/admin/agreements/{id}"
    operation = "AgreementPage"
    template = "agreement.html"
    deeds: ClassVar = {"close": Deed("VoucherStatementClose", "voucherStatementClose")}

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    @property
    def month(self) -> str:
        """Such as 2017-09; the last one, if none is asked for."""
        return self.visit.text("month") or f"{self.visit.today.replace(day=1) - dt.timedelta(days=1):%Y-%m}"

    @property
    def confirming(self) -> str:
        """What is asked for a second time before it is done."""
        return self.sent.get("deed") or self.visit.text("confirm")

    def variables(self) -> Variables:
        return {"id": self.id, "month": first_day(self.month), **self.visit.paging()}

    def variables_of_form(self) -> Variables:
        return {"id": self.id, "month": self.visit.today.isoformat(), "listed": False}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return bool(data.get("node"))

    def deed_variables(self, deed: str, form: Form) -> Variables:
        return {"input": {"agreement": self.id, "month": first_day(text_of(form, "month"))}}

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        closed = cast("_Closed | None", payload.get("statement"))
        return f"/admin/statements/{closed['id']}" if closed else self.address_of_page

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        agreement = cast("_Agreement", data["node"])
        preview, unbilled = agreement["nextStatement"], agreement.get("unbilledRedemptions")
        runs = self.visit.principal.role in (Role.STAFF, Role.PROGRAM)
        has_lines = preview["redemptions"] + preview["reversals"] > 0
        return {
            "agreement": agreement,
            "preview": preview,
            "unbilled": unbilled,
            "closable": runs and preview["isOver"] and has_lines,
            "paging": paging_links(self.address_of_page, {"month": self.month}, unbilled["pageInfo"])
            if unbilled
            else {},
        }


def first_day(month: str) -> str:
    if not re.fullmatch(r"\d{4}-(?:0[1-9]|1[0-2])", month):
        raise BadAddress(f"The month must be such as 2017-09; {month or 'nothing'} was typed.")
    return f"{month}-01"
