"""/admin/disputes/{id}: one case as client and staff see it, with what each can do about it now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import ClassVar, TypedDict, cast

from graphiql.admin.pages import Deed, Form, Page, Variables, clean, present, text_of, whole_number
from graphiql.admin.wording import Money
from graphiql.operations import JSON

# The steps that decide a case, by the outcome that each gives it.
OUTCOMES = {"UPHELD": "UPHOLD", "PARTIAL": "UPHOLD_IN_PART", "REJECTED": "REJECT"}

# The part of the page that shows what was done, where it is not the history.
SHOWN_IN = {"attach": "#evidence", "resolve": "", "withdraw": "", "close": ""}


class InvoiceLine(TypedDict):
    id: str
    number: int
    unitPrice: Money


class Line(TypedDict):
    quantity: int
    line: InvoiceLine | None


class Case(TypedDict):
    lines: list[Line]
    possibleSteps: list[str]


class Data(TypedDict):
    node: Case


class Credited(TypedDict):
    """What a decision would credit of a line."""

    line: InvoiceLine
    disputed: int
    credited: int
    amount: Money


class DisputePage(Page):
    path = "/admin/disputes/{id}"
    operation = "DisputePage"
    template = "dispute.html"
    section = "disputes"
    deeds: ClassVar = {
        "message": Deed("DisputeMessage", "disputeMessage"),
        "assign": Deed("DisputeAssign", "disputeAssign"),
        "deadline": Deed("DisputeDeadlineSet", "disputeDeadlineSet"),
        "minutes": Deed("DisputeMinutesAdd", "disputeMinutesAdd"),
        "send": Deed("DisputeSendToClient", "disputeSendToClient"),
        "return": Deed("DisputeSendToStaff", "disputeSendToStaff"),
        "attach": Deed("DisputeEvidenceAttach", "disputeEvidenceAttach"),
        "resolve": Deed("DisputeResolve", "disputeResolve"),
        "withdraw": Deed("DisputeWithdraw", "disputeWithdraw"),
        "adjust": Deed("DisputeAdjust", "disputeAdjust"),
        "close": Deed("DisputeClose", "disputeClose"),
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

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        """Where the deed shows; without the decision that the address may have previewed."""
        return self.address_of_page + SHOWN_IN.get(deed, "#history")

    # ------------------------------------------------------------------------------------------- the deeds

    def deed_variables(self, deed: str, form: Form) -> Variables:
        return {"input": {"dispute": self.id, **GIVEN[deed](form)}}

    # ---------------------------------------------------------------------------------------- what is shown

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        case = cast("Data", data)["node"]
        outcome = self.visit.text("resolve")
        offered = {one: step for one, step in OUTCOMES.items() if step in case["possibleSteps"]}
        decided = self._credits(case, outcome) if outcome in offered else None
        return {"case": case, "outcomes": offered, "outcome": outcome, "credits": decided, "credit": _sum(decided)}

    def _credits(self, case: Case, outcome: str) -> list[Credited] | None:
        """What the decision would credit, line by line; None while it is not said how much."""
        lines = [(one["line"], one["quantity"]) for one in case["lines"] if one["line"]]
        if outcome == "PARTIAL":
            typed = [self.visit.text(f"credited-{line['number']}") for line, _ in lines]
            if not all(number.isascii() and number.isdigit() and len(number) < 10 for number in typed):
                return None
            chosen = [int(number) for number in typed]
        else:
            chosen = [disputed if outcome == "UPHELD" else 0 for _, disputed in lines]
        return [_credited(line, disputed, n) for (line, disputed), n in zip(lines, chosen, strict=True)]


def _credited(line: InvoiceLine, disputed: int, credited: int) -> Credited:
    price = line["unitPrice"]
    amount = Money(amount=str(Decimal(price["amount"]) * credited), currency=price["currency"])
    return Credited(line=line, disputed=disputed, credited=credited, amount=amount)


def _sum(decided: list[Credited] | None) -> Money | None:
    """A case is about one snapshot, and so of one currency."""
    if not decided:
        return None
    total = sum((Decimal(one["amount"]["amount"]) for one in decided), Decimal())
    return Money(amount=str(total), currency=decided[0]["amount"]["currency"])


def _decided(form: Form) -> Variables:
    minutes = whole_number(form, "minutes", "The minutes") if text_of(form, "minutes") else None
    lines: list[JSON] = [
        {"line": name.removeprefix("line-"), "credited": whole_number(form, name, "The number of people credited")}
        for name in form
        if name.startswith("line-")
    ]
    return {
        "outcome": text_of(form, "outcome"),
        "reason": text_of(form, "reason"),
        "idempotencyKey": text_of(form, "key"),
        **present(minutesSpent=minutes, lines=lines if text_of(form, "outcome") == "PARTIAL" else None),
    }


def _message(form: Form) -> Variables:
    return {"text": text_of(form, "text"), "internal": "internal" in form}


def _words(form: Form) -> Variables:
    return present(text=text_of(form, "text"))


def _minutes(form: Form) -> Variables:
    return {"minutes": whole_number(form, "minutes", "The minutes"), "done": text_of(form, "done")}


def _nothing(form: Form) -> Variables:
    return {}


# What each deed is told besides the case itself.
GIVEN: Mapping[str, Callable[[Form], Variables]] = {
    "message": _message,
    "assign": lambda form: {"assignee": text_of(form, "assignee") or None},
    "deadline": lambda form: {"respondBy": text_of(form, "respondBy") or None},
    "minutes": _minutes,
    "send": _words,
    "return": _words,
    "attach": _nothing,
    "resolve": _decided,
    "withdraw": lambda form: {"reason": text_of(form, "reason")},
    "adjust": lambda form: {"reason": text_of(form, "reason"), "idempotencyKey": text_of(form, "key")},
    "close": _nothing,
}
