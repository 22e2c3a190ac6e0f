"""/admin/organizations/{slug}/vouchers: what an organization has bought, what is left of it, and who has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast
from urllib.parse import quote, urlencode

from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import BadAddress, Page, Variables, Visit, clean, present
from graphiql.operations import JSON

USABLE: list[JSON] = ["AVAILABLE", "ASSIGNED", "PARTLY_REDEEMED"]
STATES: dict[str, tuple[str, list[JSON] | None]] = {
    "all": ("all", None),
    "usable": ("that can be used", USABLE),
    "available": ("assigned to nobody", ["AVAILABLE"]),
    "assigned": ("assigned", ["ASSIGNED"]),
    "partly-redeemed": ("partly redeemed", ["PARTLY_REDEEMED"]),
    "redeemed": ("redeemed", ["REDEEMED"]),
    "expired": ("expired", ["EXPIRED"]),
    "revoked": ("revoked", ["REVOKED"]),
    "given-back": ("refunded or cancelled", ["REFUNDED", "CANCELLED"]),
}


class Vouchers(TypedDict):
    totalCount: int
    pageInfo: PageInfo


class Organization(TypedDict, total=False):
    vouchers: Vouchers | None


class Data(TypedDict):
    organization: Organization


class VouchersPage(Page):
    path = "/admin/organizations/{slug}/vouchers"
    operation = "VouchersPage"
    template = "vouchers.html"

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.chosen = {"state": visit.text("state") or "all", "flagged": visit.text("flagged")}

    @property
    def slug(self) -> str:
        return clean(str(self.visit.path["slug"]))

    def variables(self) -> Variables:
        state = self.chosen["state"]
        if state not in STATES:
            raise BadAddress(f"No vouchers are {state}. Choose one of the list.")
        asked = present(states=STATES[state][1], flagged=self.chosen["flagged"] == "yes")
        return {"organization": self.slug, "filter": asked, **self.visit.paging()}

    def variables_of_form(self) -> Variables:
        return {"organization": self.slug, "listed": False}

    @property
    def export(self) -> str:
        """The same as a file."""
        states = STATES.get(self.chosen["state"], ("", None))[1] or []
        flagged = [("flagged", "yes")] if self.chosen["flagged"] == "yes" else []
        asked = urlencode([*(("states", str(state)) for state in states), *flagged])
        return f"/exports/organizations/{quote(self.slug)}/vouchers.csv" + (f"?{asked}" if asked else "")

    @property
    def redemptions_export(self) -> str:
        return f"/exports/organizations/{quote(self.slug)}/redemptions.csv"

    def is_found(self, data: Mapping[str, object]) -> bool:
        return data.get("organization") is not None

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        organization = cast("Data", data)["organization"]
        listed = organization.get("vouchers")
        return {
            "organization": organization,
            "vouchers": listed,
            "states": {name: words for name, (words, _) in STATES.items()},
            "paging": paging_links(self.address_of_page, self.chosen, listed["pageInfo"]) if listed else {},
        }
