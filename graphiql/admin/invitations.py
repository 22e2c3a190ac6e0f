"""/admin/organizations/{slug}/invitations: vouchers that wait for a claim, or for a yes to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypedDict, cast

from graphiql.admin.cohorts import OWNERS
from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import BadAddress, Deed, Form, Page, Variables, Visit, clean, text_of
from graphiql.operations import JSON

WAITING: list[JSON] = ["INVITED", "AWAITING_APPROVAL"]
STATES: dict[str, tuple[str, list[JSON]]] = {
    "all": ("that wait for somebody", WAITING),
    "invited": ("that nobody has claimed", ["INVITED"]),
    "claimed": ("claimed with another address", ["AWAITING_APPROVAL"]),
}


class InvitationsPage(Page):
    path = "/admin/organizations/{slug}/invitations"
    operation = "InvitationsPage"
    template = "invitations.html"
    deeds: ClassVar = {
        "resend": Deed("VoucherInvitationResend", "voucherInvitationResend"),
        "remind": Deed("VoucherInvitationRemind", "voucherInvitationRemind"),
        "cancel": Deed("VoucherAssignmentCancel", "voucherAssignmentCancel"),
        "approve": Deed("VoucherClaimApprove", "voucherClaimApprove"),
        "refuse": Deed("VoucherClaimRefuse", "voucherClaimRefuse"),
    }

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.chosen = {"state": visit.text("state") or "all"}

    @property
    def slug(self) -> str:
        return clean(str(self.visit.path["slug"]))

    @property
    def owns(self) -> bool:
        return self.visit.principal.role in OWNERS

    def variables(self) -> Variables:
        state = self.chosen["state"]
        if state not in STATES:
            raise BadAddress(f"No vouchers are {state}. Choose one of the list.")
        return {"organization": self.slug, "states": STATES[state][1], **self.visit.paging()}

    def variables_of_form(self) -> Variables:
        return {"organization": self.slug, "listed": False}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return data.get("organization") is not None

    def deed_variables(self, deed: str, form: Form) -> Variables:
        """A corrected address only where another was typed: the same again is what an empty field says."""
        asked: Variables = {"voucher": text_of(form, "voucher")}
        if deed == "resend" and (email := text_of(form, "email")):
            asked["email"] = email
        return {"input": asked}

    def typed_about(self, voucher: str) -> str:
        """What was typed into the form of that voucher, if it was refused."""
        return self.typed_into("resend", "email") if self.sent.get("voucher") == voucher else ""

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        organization = cast("_Organization", data["organization"])
        listed = organization.get("vouchers")
        return {
            "organization": organization,
            "vouchers": listed,
            "states": {name: words for name, (words, _) in STATES.items()},
            "paging": paging_links(self.address_of_page, self.chosen, listed["pageInfo"]) if listed else {},
        }


class _Vouchers(TypedDict):
    totalCount: int
    pageInfo: PageInfo


class _Organization(TypedDict, total=False):
    vouchers: _Vouchers | None
