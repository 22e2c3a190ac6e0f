"""Cohorts of an organization: those that assign by themselves, and each preview with who is skipped and why.

A preview is a page of its own; it is committed or undone only where it was asked a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypedDict, cast

from graphiql.admin.organizations import PageInfo, paging_links
from graphiql.admin.pages import Deed, Form, Page, Variables, clean, present, text_of, whole_number
from graphiql.operations import JSON
from models.access import Role

# For whom the API lets them act, it decides.
OWNERS = (Role.STAFF, Role.ORGANIZATION, Role.PARTNER)
PREVIEW = Deed("CohortPreview", "voucherBulkAssignPreview")


class Previewed(TypedDict):
    id: str


def page_of_preview(payload: Mapping[str, object]) -> str:
    return f"/admin/cohort-previews/{cast('Previewed', payload['bulkAssignment'])['id']}"


class CohortsPage(Page):
    """/admin/organizations/{slug}/cohorts."""

    path = "/admin/organizations/{slug}/cohorts"
    operation = "CohortsPage"
    template = "cohorts.html"
    deeds: ClassVar = {
        "preview": PREVIEW,
        "dry-run": PREVIEW,
        "start": Deed("CohortStart", "cohortStart"),
        "stop": Deed("CohortStop", "cohortStop"),
    }

    @property
    def slug(self) -> str:
        return clean(str(self.visit.path["slug"]))

    @property
    def owns(self) -> bool:
        return self.visit.principal.role in OWNERS

    def variables(self) -> Variables:
        return {"organization": self.slug, **self.visit.paging()}

    def variables_of_form(self) -> Variables:
        return {"organization": self.slug}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return data.get("organization") is not None

    def deed_variables(self, deed: str, form: Form) -> Variables:
        if deed != "preview":
            return {"input": {"cohort": text_of(form, "cohort")}}
        once: Variables = {
            "organization": {"slug": self.slug},
            "voucherProgram": text_of(form, "terms"),
            "filter": _filter(form),
            **present(purpose=text_of(form, "purpose")),
        }
        return {"input": {"once": once}}

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        return page_of_preview(payload) if deed in ("preview", "dry-run") else self.address_of_page

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        organization = cast("_Organization", data["organization"])
        programs = cast("_Programs", data["programs"])["nodes"]
        runs = organization["bulkAssignments"]
        return {
            "organization": organization,
            "terms": [(program["name"], one) for program in programs for one in program["voucherPrograms"]["nodes"]],
            "paging": paging_links(self.address_of_page, {}, runs["pageInfo"]),
        }


def _filter(form: Form) -> Variables:
    certification = present(
        name=text_of(form, "certification"),
        expiresFrom=text_of(form, "first"),
        expiresThrough=text_of(form, "last"),
    )
    if text_of(form, "months"):
        certification["expiresWithinMonths"] = whole_number(form, "months", "The months")
    departments: list[JSON] = [clean(one) for one in text_of(form, "departments").split(",") if one.strip()]
    return present(certification=certification, departments=departments)


class CohortPreviewPage(Page):
    """/admin/cohort-previews/{id}."""

    path = "/admin/cohort-previews/{id}"
    operation = "CohortPreviewPage"
    template = "cohort_preview.html"
    deeds: ClassVar = {
        "commit": Deed("CohortCommit", "voucherBulkAssignCommit"),
        "undo": Deed("CohortUndo", "voucherBulkAssignUndo"),
    }

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    @property
    def confirming(self) -> str:
        """What is asked for a second time before it is done."""
        return self.sent.get("deed") or self.visit.text("confirm")

    def variables(self) -> Variables:
        only = present(verdict=self.visit.text("verdict"))
        return {"id": self.id, **only, **self.visit.paging()}

    def variables_of_form(self) -> Variables:
        return {"id": self.id, "listed": False}

    def is_found(self, data: Mapping[str, object]) -> bool:
        return bool(data.get("node"))

    def deed_variables(self, deed: str, form: Form) -> Variables:
        asked: Variables = {"bulkAssignment": self.id}
        return {"input": asked | {"digest": text_of(form, "digest")} if deed == "commit" else asked}

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        return self.address_of_page

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        bulk = cast("_Bulk", data["node"])
        people = bulk.get("people")
        owns = self.visit.principal.role in OWNERS
        possible = {"PREVIEWED": "commit" if bulk["eligible"] else "", "COMMITTED": "undo"}.get(bulk["state"], "")
        chosen = {"verdict": self.visit.text("verdict")}
        return {
            "bulk": bulk,
            "possible": possible if owns else "",
            "people": people,
            "paging": paging_links(self.address_of_page, chosen, people["pageInfo"]) if people else {},
        }


class _List(TypedDict):
    totalCount: int
    pageInfo: PageInfo


class _Organization(TypedDict):
    bulkAssignments: _List


class _Terms(TypedDict):
    nodes: list[Previewed]


class _Program(TypedDict):
    name: str
    voucherPrograms: _Terms


class _Programs(TypedDict):
    nodes: list[_Program]


class _Bulk(TypedDict, total=False):
    state: str
    eligible: int
    people: _List | None
