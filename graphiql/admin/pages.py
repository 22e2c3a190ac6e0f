"""How every page of the admin works: an address becomes variables, one named operation runs, its answer is shown.

To add a page: a subclass of Page (see organizations.py, about forty lines), a template, an operation in
`operations/pages/`, and its name in PAGES of routes.py. No page reads the database, and none has a script: what a
page shows is in its address, so that it can be kept and sent to a colleague.

A form of a page that changes something is sent to the page's own address, with the name of a Deed in its field `deed`.
The deed runs one named mutation; then the browser goes where `after` says, or the page is shown again with what was
refused and what had been typed. A deed that only looks, such as a dry run, shows the page with what it has seen.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NotRequired, Protocol, TypedDict
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams

from graphiql.operations import JSON, Operation
from models.access import Role
from resolvers.principal import Principal

Variables = dict[str, JSON]
PAGE_ROWS = 50
LONGEST_TEXT = 1_000


class ErrorDetails(TypedDict):
    code: str
    requestId: NotRequired[str]


class ShownError(TypedDict):
    message: str
    extensions: ErrorDetails


class Execute(Protocol):
    """Runs an operation just as POST /graphql does, and gives the same answer: `data`, `errors` or both."""

    async def __call__(
        self, operation: Operation, variables: Variables, principal: Principal, request_id: str
    ) -> Mapping[str, object]: ...


class BadAddress(Exception):
    """The address asks for something that no form of ours offers; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a page is asked with: who asks, on which day, and what stands in the address."""

    principal: Principal
    today: dt.date
    path: Mapping[str, object]
    query: QueryParams

    def text(self, name: str) -> str:
        return clean(self.query.get(name, ""))

    def paging(self) -> Variables:
        """Which rows of a list: the first ones, or those that a next or previous link asks for."""
        if before := self.text("before"):
            return {"last": PAGE_ROWS, "before": before}
        return {"first": PAGE_ROWS, **present(after=self.text("after"))}


@dataclass(frozen=True, slots=True)
class Deed:
    """What a form of a page does: one named operation, whose one field is a mutation."""

    operation: str
    mutation: str
    # Whether it only looks, as a dry run does: then the page is shown with what was seen.
    looks: bool = False


Form = Mapping[str, str]


class Page:
    """One visit to a page. A subclass says where it is, what it runs and what its template shows."""

    path: ClassVar[str]
    operation: ClassVar[str]
    template: ClassVar[str]
    # Its entry in the navigation.
    section: ClassVar[str] = "organizations"
    # By the name in a form's field `deed`.
    deeds: ClassVar[Mapping[str, Deed]] = {}

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        # What was typed into a form that was refused, to be shown in it again.
        self.sent: Form = {}
        # What a deed that only looks has seen.
        self.seen: Mapping[str, object] = {}

    def deed_variables(self, deed: str, form: Form) -> Variables:
        """The variables of a deed's operation, from what was typed. Raises BadAddress."""
        raise NotImplementedError

    def after(self, deed: str, payload: Mapping[str, object]) -> str:
        """Where the browser goes once a deed is done: a path of ours. The page itself unless it says otherwise."""
        return self.here

    @property
    def here(self) -> str:
        """The address of this visit, to which the page's forms are sent."""
        return link(self.address_of_page, dict(self.visit.query))

    def elsewhere(self, data: Mapping[str, object]) -> str | None:
        """A fuller address of what was asked for, to which the browser is sent; None to show the page."""
        return None

    def typed_into(self, deed: str, field: str, otherwise: str = "") -> str:
        """What a field of a form shows: what was typed into it before it was refused."""
        return self.sent.get(field, otherwise) if self.sent.get("deed") == deed else otherwise

    def key(self, deed: str) -> str:
        """The idempotency key of a form: the same again after a refusal."""
        return self.typed_into(deed, "key") or new_key()

    @property
    def is_staff(self) -> bool:
        return self.visit.principal.is_staff

    @property
    def speaks_for_the_client(self) -> bool:
        """Whether the visitor may accept and dispute what is billed."""
        return self.visit.principal.role in (Role.STAFF, Role.ORGANIZATION)

    @property
    def address_of_page(self) -> str:
        return self.path.format(**{name: quote(str(value), safe="") for name, value in self.visit.path.items()})

    def variables(self) -> Variables:
        """The variables of the operation, from the address. Raises BadAddress."""
        raise NotImplementedError

    def variables_of_form(self) -> Variables:
        """Variables that cannot be refused, for what the form needs when what was asked was refused."""
        raise NotImplementedError

    def is_found(self, data: Mapping[str, object]) -> bool:
        """Whether what the page is about is there, for this principal."""
        return True

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        """What the template shows of the answer, by the names that it uses."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not answered, in the API's own words."""

    message: str
    code: str
    request_id: str = ""


# graphql-core leads with where a value stands in the variables, which nobody sees on a page.
PLACE_IN_VARIABLES = re.compile(
    r"^Variable '\$\w+' (?:got|has) invalid value.*?(?:; |: )(?:Expected type '\w+'\. )?", re.DOTALL
)


def refusals_of(answer: Mapping[str, object]) -> list[Refusal]:
    """Each refusal once: one cause may have kept several fields from an answer."""
    errors: Sequence[ShownError] = answer.get("errors", ())  # type: ignore[assignment]  # the shape of GraphQL
    found = [_refusal(error) for error in errors]
    return list(dict.fromkeys(found))


class UserError(TypedDict):
    message: str
    code: str


def refusals_of_payload(payload: Mapping[str, object]) -> list[Refusal]:
    """What a mutation refused."""
    errors: Sequence[UserError] = payload.get("userErrors", ())  # type: ignore[assignment]  # the shape of GraphQL
    return [Refusal(error["message"], error["code"]) for error in errors]


def new_key() -> str:
    """For the hidden field of a form about money: sent twice by mistake, it is done once."""
    return secrets.token_hex(16)


def _refusal(error: ShownError) -> Refusal:
    details = error["extensions"]
    internal = details["code"] in STATUS_OF_FAULTS
    message = PLACE_IN_VARIABLES.sub("", error["message"])
    return Refusal(message, details["code"], details.get("requestId", "") if internal else "")


STATUS_OF_FAULTS = {"INTERNAL": 500, "TIMEOUT": 504}


def status_of(refusals: Sequence[Refusal]) -> int:
    """The worst that any of them is; 200 if there are none."""
    statuses = [STATUS_OF_FAULTS.get(one.code, 404 if one.code == "NOT_FOUND" else 400) for one in refusals]
    return max(statuses, default=200)


def clean(text: str) -> str:
    """What a person can have typed: no control characters, which are in no name and which databases refuse."""
    return "".join(c for c in text[:LONGEST_TEXT] if c.isprintable()).strip()


def text_of(form: Form, field: str) -> str:
    """What was typed into a form. It is cut nowhere: the API says what is too long."""
    return form.get(field, "").replace("\r\n", "\n").strip()


def whole_number(form: Form, field: str, what: str) -> int:
    typed = text_of(form, field).replace(",", "")
    if not re.fullmatch(r"-?\d{1,9}", typed):
        raise BadAddress(f"{what} must be a whole number; {typed or 'nothing'} was typed.")
    return int(typed)


def amount_of(form: Form) -> Variables:
    """The fields `amount` and `currency` of a form, as the API takes money."""
    typed = text_of(form, "amount").replace(",", "")
    if not re.fullmatch(r"-?\d{1,15}(?:\.\d{1,6})?", typed):
        raise BadAddress(f"The amount must be a number such as 12.50; {typed or 'nothing'} was typed.")
    return {"amount": typed, "currency": text_of(form, "currency").upper()}


def present(**values: JSON) -> Variables:
    """Those of the values that were given."""
    return {name: value for name, value in values.items() if value}


def link(path: str, parameters: Mapping[str, str]) -> str:
    """An address with those of the parameters that are not empty."""
    given = {name: value for name, value in parameters.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def explorer_link(operation: str, variables: Variables) -> str:
    return link(
        "/explorer",
        {"operation": operation, "variables": json.dumps(variables, ensure_ascii=False, separators=(",", ":"))},
    )
