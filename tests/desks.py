"""Somebody at a desk: opens pages of the admin, reads them, types into their forms and presses their buttons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from models.access import Role
from resolvers.loaders.places import organization_by_slug
from resolvers.principal import Principal
from server.database import Database
from tests.code_keys import CODE_KEYS
from tests.signers import signer
from tests.visitors import SUPPORT, read, visiting

MONTH = "/admin/billing?date=2017-09-01"
XTRA, BAPTIST = "/admin/organizations/xtra-lease/billing", "/admin/organizations/baptist-health-plan/billing"
VOID = {"br", "hr", "img", "input", "line", "link", "meta", "path", "polygon", "polyline", "wbr"}


@dataclass
class Form:
    action: str = ""
    method: str = "get"
    # What a browser would send if nothing was typed.
    fields: dict[str, str] = field(default_factory=dict)
    # The names of all fields, those too that are sent only if they are ticked.
    names: set[str] = field(default_factory=set)
    button: str = ""


class Forms(HTMLParser):
    """The forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open: Form | None = None
        self._typing: str | None = None
        self._pressing = False
        self._chosen = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given["action"], given["method"])
            self.found.append(self._open)
        elif self._open is None:
            return
        elif tag == "button":
            self._pressing = True
        elif tag == "option":
            if "selected" in given:
                self._open.fields[self._chosen] = given["value"]
        elif tag in ("input", "textarea", "select"):
            self._field(tag, given)

    def _field(self, tag: str, given: dict[str, str]) -> None:
        assert self._open is not None
        name = given["name"]
        self._open.names.add(name)
        if given.get("type") != "checkbox" or "checked" in given:
            self._open.fields[name] = given.get("value", "")
        self._typing = name if tag == "textarea" else None
        self._chosen = name if tag == "select" else ""

    def handle_endtag(self, tag: str) -> None:
        self._pressing = self._pressing and tag != "button"
        self._typing = None if tag == "textarea" else self._typing
        self._open = None if tag == "form" else self._open

    def handle_data(self, data: str) -> None:
        if self._open and self._pressing:
            self._open.button += data
        elif self._open and self._typing:
            self._open.fields[self._typing] += data


class Structure(HTMLParser):
    """What is wrong with how a page is written: tags that do not match, ids that occur twice, scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self._open: list[str] = []
        self._ids: set[str] = set()
        self._labels: set[str] = set()
        self.feed(page)
        self.wrong += [f"<{tag}> is not closed" for tag in self._open]
        self.wrong += [f"a label is for #{name}, which is not there" for name in self._labels - self._ids]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self._open.append(tag)
        if tag in ("script", "style", "iframe") or "style" in given or any(name.startswith("on") for name in given):
            self.wrong.append(f"<{tag}> {given} has no place here")
        if tag == "label" and given.get("for"):
            self._labels.add(given["for"] or "")
        name = given.get("id")
        if name in self._ids:
            self.wrong.append(f"#{name} is there twice")
        self._ids |= {name} if name else set()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")


@dataclass
class Desk:
    client: httpx.AsyncClient
    page: httpx.Response = field(default_factory=lambda: httpx.Response(200))

    async def open(self, address: str, status: int = 200) -> str:
        """What is said on a page, once the browser has arrived there."""
        return self._seen(await self.client.get(address, follow_redirects=True), status)

    async def follow(self, words: str) -> str:
        return await self.open(self.links[words])

    async def press(self, button: str, status: int = 200, /, **typed: str) -> str:
        """Fills the first form of that button and sends it."""
        form = self.form(button)
        named = {name.replace("_", "-"): value for name, value in typed.items()}
        assert set(named) <= form.names, f"{button} has no field {set(named) - form.names}"
        sent = {name: value for name, value in {**form.fields, **named}.items() if value}
        if form.method == "get":
            return await self.open(f"{form.action.split('#')[0]}?{httpx.QueryParams(sent)}")
        return self._seen(await self.client.post(form.action, data=sent, follow_redirects=True), status)

    def form(self, button: str) -> Form:
        forms = Forms(self.page.text).found
        return next(form for form in forms if form.button.strip() == button)

    @property
    def buttons(self) -> set[str]:
        return {form.button.strip() for form in Forms(self.page.text).found}

    @property
    def links(self) -> dict[str, str]:
        return read(self.page).links

    @property
    def said(self) -> str:
        return read(self.page).said

    def _seen(self, answer: httpx.Response, status: int) -> str:
        self.page = answer
        assert answer.status_code == status, read(answer).said
        assert Structure(answer.text).wrong == [], answer.url
        return self.said


async def administrator_of(database: Database, slug: str, role: Role = Role.ORGANIZATION) -> Principal:
    async with database.reading() as connection:
        row = await organization_by_slug(connection, slug)
    assert row is not None
    return Principal(name="Olga", role=role, organization_id=row.organization_id)


@asynccontextmanager
async def desks(database: Database, *others: Principal) -> AsyncIterator[list[Desk]]:
    """A desk of support, and one for each of the others, on a server that can sign and open codes."""
    key = signer()
    async with AsyncExitStack() as stack:
        everybody = [visiting(database, who, signer=key, code_keys=CODE_KEYS) for who in (SUPPORT, *others)]
        yield [Desk(await stack.enter_async_context(one)) for one in everybody]


# ------------------------------------------------------------------------------------- about the demo's data


async def disputed(desk: Desk, **typed: str) -> str:
    """A case about the three people of Xtra Lease; answers with what its page says."""
    await desk.open(XTRA)
    await desk.follow("XTRA-LEASE-0001")
    return await desk.press("Open a dispute", reason="We count 391, not 403.", **typed)


async def link_to(support: Desk, words: str) -> str:
    await support.open(MONTH)
    return support.links[words]


async def invoice_of(support: Desk) -> str:
    return await link_to(support, "XTRA-LEASE-0001")


async def to_a_learner(support: Desk) -> str:
    """Somebody who was counted; answers with their name."""
    await support.open(f"{await link_to(support, '403')}&search=ada.castro")
    await support.follow("Ada Castro")
    return "Ada Castro"
