"""/admin: the organizations that one may see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast

from graphiql.admin.pages import Page, Variables, link, present


class PageInfo(TypedDict):
    hasNextPage: bool
    hasPreviousPage: bool
    startCursor: str | None
    endCursor: str | None


class Organizations(TypedDict):
    totalCount: int
    pageInfo: PageInfo


class Data(TypedDict):
    organizations: Organizations | None


class OrganizationsPage(Page):
    path = "/admin"
    operation = "OrganizationsPage"
    template = "organizations.html"

    def variables(self) -> Variables:
        return self.visit.paging() | present(search=self.visit.text("search"))

    def variables_of_form(self) -> Variables:
        return {"listed": False}

    def elsewhere(self, data: Mapping[str, object]) -> str | None:
        """Whoever runs a program sees no organizations; from here they find what is theirs."""
        return "/admin/programs" if self.visit.principal.program_id is not None else None

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        listed = cast("Data", data).get("organizations")
        return {
            "search": self.visit.text("search"),
            "organizations": listed,
            "paging": self._links(listed["pageInfo"]) if listed else {},
        }

    def _links(self, info: PageInfo) -> dict[str, str]:
        return paging_links(self.path, {"search": self.visit.text("search")}, info)


def paging_links(path: str, parameters: Mapping[str, str], info: PageInfo) -> dict[str, str]:
    """Where the previous and the next page are; empty where there is none."""
    before = info["startCursor"] if info["hasPreviousPage"] else None
    after = info["endCursor"] if info["hasNextPage"] else None
    return {
        "previous": link(path, {**parameters, "before": before}) if before else "",
        "next": link(path, {**parameters, "after": after}) if after else "",
    }
