"""/admin/learners/{id}: one learner, all that was recorded, and for staff exclusion from billing and erasure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from graphiql.admin.pages import Deed, Form, Page, Variables, clean, present, text_of
from graphiql.operations import JSON

EXCLUDE = "BillingExclusionSet", "billingExclusionSet"


class LearnerPage(Page):
    path = "/admin/learners/{id}"
    operation = "LearnerPage"
    template = "learner.html"
    deeds: ClassVar = {
        "preview-exclusion": Deed(*EXCLUDE, looks=True),
        "exclude": Deed(*EXCLUDE),
        "bill-again": Deed("BillingExclusionEnd", "billingExclusionEnd"),
        "preview-erasure": Deed("PersonErasePreview", "personErasePreview", looks=True),
        "erase": Deed("PersonErase", "personErase"),
    }

    @property
    def id(self) -> str:
        return clean(str(self.visit.path["id"]))

    def variables(self) -> Variables:
        return {"id": self.id}

    def variables_of_form(self) -> Variables:
        return self.variables()

    def is_found(self, data: Mapping[str, object]) -> bool:
        return bool(data.get("node"))

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        return {"learner": data["node"], "effect": self.seen.get("effect"), "erasure": self.seen.get("preview")}

    def deed_variables(self, deed: str, form: Form) -> Variables:
        who: Variables = {"learner": {"id": self.id}}
        match deed:
            case "preview-exclusion" | "exclude":
                return {"input": {**who, **_exclusion(form), "dryRun": deed == "preview-exclusion"}}
            case "bill-again":
                ended: Variables = {"end": {"lastDay": text_of(form, "lastDay")}, "reason": text_of(form, "reason")}
                return {"input": who | ended}
            case "preview-erasure":
                return {"input": {**who, "otherNames": _names(form)}}
            case _:
                told = {"reason": text_of(form, "reason"), "previewDigest": text_of(form, "digest")}
                return {"input": {**who, **told, "otherNames": _names(form)}}


def _exclusion(form: Form) -> Variables:
    last = text_of(form, "lastDay")
    return {
        "start": {"on": text_of(form, "from")},
        "reason": text_of(form, "reason"),
        **present(until={"lastDay": last} if last else None),
    }


def _names(form: Form) -> list[JSON]:
    """Typed with commas between them."""
    return [name.strip() for name in text_of(form, "otherNames").split(",") if name.strip()]
