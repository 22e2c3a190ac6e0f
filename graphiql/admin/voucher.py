"""/admin/vouchers/{id}: one voucher, its story, and what its organization can do with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from graphiql.admin.pages import Deed, Form, Page, Variables, clean, present, text_of
from models.access import Role

# What a reissue revives, and what can be assigned and revoked.
REISSUED = ("AVAILABLE", "ASSIGNED", "PARTLY_REDEEMED", "REVOKED")
USABLE = ("AVAILABLE", "ASSIGNED", "PARTLY_REDEEMED")


class VoucherPage(Page):
    path = "/admin/vouchers/{id}"
    operation = "VoucherPage"
    template = "voucher.html"
    deeds: ClassVar = {
        "assign": Deed("VoucherAssign", "voucherAssign"),
        # The new code is shown this once, and must be in no address.
        "reissue": Deed("VoucherReissue", "voucherReissue", looks=True),
        "revoke": Deed("VoucherRevoke", "voucherRevoke"),
        "extend": Deed("VoucherExtend", "voucherExtend"),
    }

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    @property
    def search(self) -> str:
        return self.visit.text("search")

    @property
    def owns(self) -> bool:
        """Whether the visitor may act for the organization."""
        return self.visit.principal.role in (Role.STAFF, Role.ORGANIZATION, Role.PARTNER)

    @property
    def runs(self) -> bool:
        """Whether the visitor may act for a program; for which, the API decides."""
        return self.visit.principal.role in (Role.STAFF, Role.PROGRAM)

    def variables(self) -> Variables:
        return {"id": self.id, "search": self.search, "searching": bool(self.search)}

    def variables_of_form(self) -> Variables:
        return {"id": self.id}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return bool(data.get("node"))

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        """Without the search for somebody to assign it to."""
        return self.address_of_page

    def deed_variables(self, deed: str, form: Form) -> Variables:
        key: Variables = {"idempotencyKey": text_of(form, "key")}
        if deed == "assign":
            whom: Variables = {"voucher": {"id": self.id}, "to": {"learner": text_of(form, "learner")}}
            return {"input": {**whom, **present(purpose=text_of(form, "purpose")), **key}}
        if deed == "extend":
            return {"input": {"voucher": self.id, "through": text_of(form, "through"), **key}}
        return {"input": {"voucher": self.id, "reason": text_of(form, "reason"), **key}}

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        return {
            "voucher": data["node"],
            "new_code": self.seen.get("code"),
            "was_reissued": bool(self.seen),
            "usable": USABLE,
            "reissued": REISSUED,
        }
