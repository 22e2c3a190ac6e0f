"""/admin/programs, and one program there: its orders, what it owes in vouchers, and whether its money adds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast
from urllib.parse import quote

from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import Page, Variables, clean
from graphiql.admin.voucher_orders import Orders, OrdersPage
from models.ids import encode_id


class Programs(TypedDict):
    totalCount: int
    pageInfo: PageInfo


class ProgramsPage(Page):
    path = "/admin/programs"
    operation = "ProgramsPage"
    template = "programs.html"
    section = "programs"

    def variables(self) -> Variables:
        return self.visit.paging()

    def variables_of_form(self) -> Variables:
        return {"listed": False}

    def elsewhere(self, data: Mapping[str, object]) -> str | None:
        """Whoever runs one program has no use for the others."""
        return program_of(self)

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        listed = cast("Programs | None", data.get("programs"))
        links = paging_links(self.path, {}, listed["pageInfo"]) if listed else {}
        return {"programs": listed, "paging": links}


class Program(TypedDict, total=False):
    slug: str
    voucherOrders: Orders | None


class ProgramPage(OrdersPage):
    path = "/admin/programs/{id}"
    operation = "ProgramPage"
    template = "program.html"
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
        program = cast("Program", data["program"])
        export = f"/exports/programs/{quote(program['slug'])}"
        return {
            "program": program,
            "liability": data["voucherLiability"],
            "balances": data["trialBalance"],
            "export": export,
            **self.listed(program.get("voucherOrders")),
        }


def program_of(page: Page) -> str | None:
    """The page of the one program that the visitor runs; None for anybody else."""
    program_id = page.visit.principal.program_id
    return f"/admin/programs/{encode_id('Program', program_id)}" if program_id is not None else None
