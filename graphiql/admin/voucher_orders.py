"""Orders of vouchers: an organization's and a program's, and one order with what can be done about it.

What cannot be undone is asked twice: a first form opens the same page with `confirm` in its address, which shows what
will happen, and only there is the form that does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypedDict, cast

from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import BadAddress, Deed, Form, Page, Variables, Visit, clean, text_of
from graphiql.operations import JSON
from models.access import Role

STATES: dict[str, tuple[str, list[JSON] | None]] = {
    "all": ("all", None),
    "awaiting-approval": ("that await approval", ["AWAITING_APPROVAL"]),
    "approved": ("approved and not paid", ["APPROVED"]),
    "settled": ("paid", ["SETTLED"]),
    "on-account": ("billed later", ["ON_ACCOUNT"]),
    "card": ("whose card is not charged", ["AWAITING_PAYMENT", "PAYMENT_UNKNOWN", "DECLINED"]),
    "over": ("rejected or cancelled", ["REJECTED", "CANCELLED"]),
}
# Where the state of an order lets a deed be done; whether this visitor may is decided by the API as well.
APPROVABLE = ("AWAITING_APPROVAL",)
SETTLEABLE = ("APPROVED",)
CANCELLABLE = ("AWAITING_APPROVAL", "APPROVED", "AWAITING_PAYMENT", "ON_ACCOUNT")
REFUNDABLE = ("SETTLED", "ON_ACCOUNT")
REVEALED = ("AVAILABLE", "ASSIGNED")


class Orders(TypedDict):
    totalCount: int
    pageInfo: PageInfo


class OrdersPage(Page):
    """What the lists of both have in common."""

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.chosen = {"state": visit.text("state") or "all"}

    def which(self) -> Variables:
        state = self.chosen["state"]
        if state not in STATES:
            raise BadAddress(f"No orders are {state}. Choose one of the list.")
        return {"states": STATES[state][1], **self.visit.paging()}

    def listed(self, orders: Orders | None) -> dict[str, object]:
        links = paging_links(self.address_of_page, self.chosen, orders["pageInfo"]) if orders else {}
        return {"orders": orders, "paging": links, "states": {name: words for name, (words, _) in STATES.items()}}


class Organization(TypedDict, total=False):
    voucherOrders: Orders | None


class VoucherOrdersPage(OrdersPage):
    """/admin/organizations/{slug}/voucher-orders."""

    path = "/admin/organizations/{slug}/voucher-orders"
    operation = "VoucherOrdersPage"
    template = "voucher_orders.html"

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
        organization = cast("Organization", data["organization"])
        return {"organization": organization, **self.listed(organization.get("voucherOrders"))}


class VoucherOrderPage(Page):
    """/admin/voucher-orders/{id}."""

    path = "/admin/voucher-orders/{id}"
    operation = "VoucherOrderPage"
    template = "voucher_order.html"
    deeds: ClassVar = {
        "approve": Deed("VoucherOrderApprove", "voucherOrderApprove"),
        "reject": Deed("VoucherOrderReject", "voucherOrderReject"),
        "settle": Deed("VoucherOrderSettle", "voucherOrderSettle"),
        "cancel": Deed("VoucherOrderCancel", "voucherOrderCancel"),
        "refund": Deed("VoucherOrderRefund", "voucherOrderRefund"),
        # Codes are shown this once, and must be in no address.
        "codes": Deed("VoucherCodesReveal", "voucherCodesReveal", looks=True),
    }

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    @property
    def confirming(self) -> str:
        """What is asked for a second time before it is done."""
        return self.sent.get("deed") or self.visit.text("confirm")

    @property
    def is_owner(self) -> bool:
        return self.visit.principal.role in (Role.ORGANIZATION, Role.PARTNER)

    def variables(self) -> Variables:
        return {"id": self.id}

    def variables_of_form(self) -> Variables:
        return {"id": self.id}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return bool(data.get("node"))

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        return self.address_of_page

    def deed_variables(self, deed: str, form: Form) -> Variables:
        if deed == "codes":
            return {"input": {"vouchers": list[JSON](text_of(form, "vouchers").split())}}
        asked: Variables = {"order": self.id}
        if deed in ("reject", "cancel"):
            asked["reason"] = text_of(form, "reason")
        if deed == "settle":
            asked["paymentReference"] = text_of(form, "reference")
        if deed != "reject":
            asked["idempotencyKey"] = text_of(form, "key")
        return {"input": asked}

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        order = cast("_Order", data["node"])
        codes = cast("list[_Code]", self.seen.get("codes") or [])
        return {
            "order": order,
            "possible": self._possible(order),
            "revealable": [one["id"] for one in order["vouchers"]["nodes"] if one["state"] in REVEALED],
            "codes": {one["voucherId"]: one["code"] for one in codes},
        }

    def _possible(self, order: _Order) -> list[str]:
        """What this visitor can do about the order as it is."""
        state, runs = order["state"], self.visit.principal.role in (Role.STAFF, Role.PROGRAM)
        by_purchase_order = order["payment"]["funding"] == "PURCHASE_ORDER"
        possible = {
            "approve": runs and state in APPROVABLE,
            "reject": runs and state in APPROVABLE,
            "settle": runs and state in SETTLEABLE,
            "cancel": state in CANCELLABLE,
            "refund": state in REFUNDABLE and (runs or not by_purchase_order),
        }
        return [deed for deed, is_possible in possible.items() if is_possible]


class _Voucher(TypedDict):
    id: str
    state: str


class _Vouchers(TypedDict):
    nodes: list[_Voucher]


class _Payment(TypedDict):
    funding: str


class _Order(TypedDict):
    state: str
    payment: _Payment
    vouchers: _Vouchers


class _Code(TypedDict):
    voucherId: str
    code: str
