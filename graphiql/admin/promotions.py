"""/admin/programs/{id}/promotions: their codes, how often each was used, and what is left of its budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast

from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import Page, Variables, clean


class Promotions(TypedDict):
    totalCount: int
    pageInfo: PageInfo


class Program(TypedDict, total=False):
    promotions: Promotions | None


class PromotionsPage(Page):
    path = "/admin/programs/{id}/promotions"
    operation = "PromotionsPage"
    template = "promotions.html"
    section = "programs"

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    def variables(self) -> Variables:
        return {"program": self.id, **self.visit.paging()}

    def variables_of_form(self) -> Variables:
        return {"program": self.id, "listed": False}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return data.get("program") is not None

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        program = cast("Program", data["program"])
        listed = program.get("promotions")
        links = paging_links(self.address_of_page, {}, listed["pageInfo"]) if listed else {}
        return {"program": program, "promotions": listed, "paging": links}
