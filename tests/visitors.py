"""Visitors of the real application: httpx clients that are signed in, and what they read on a page."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser

import httpx

from models.access import Role
from resolvers.evidence.signing import Signer
from resolvers.outbox.letters import Mailer
from resolvers.principal import Principal
from resolvers.tokens import issue_token
from resolvers.vouchers.codes import CodeKeys
from server.app import create_app
from server.database import Database
from server.settings import Settings

SUPPORT = Principal(name="Sam of support", role=Role.STAFF)
TODAY = dt.datetime(2026, 2, 10, 12, tzinfo=dt.UTC)


def administrator(organization_id: int) -> Principal:
    return Principal(name="Olga", role=Role.ORGANIZATION, organization_id=organization_id)


@asynccontextmanager
async def visiting(
    database: Database,
    principal: Principal | None = SUPPORT,
    *,
    signer: Signer | None = None,
    code_keys: CodeKeys | None = None,
    mailer: Mailer | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is signed in; nobody in particular for None."""
    settings = Settings.model_validate({"database_url": database.url.render_as_string(hide_password=False)})
    app = create_app(
        settings, clock=lambda: TODAY, signer=signer, code_keys=code_keys, mailer=mailer, database=database
    )
    headers = {}
    if principal is not None:
        issued = await database.run(lambda session: issue_token(session, TODAY, principal))
        headers["authorization"] = f"Bearer {issued.secret}"
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://countersign.test", headers=headers) as client,
    ):
        yield client


class Reader(HTMLParser):
    """What somebody reads of a page: the cells of its tables, its links and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: dict[str, str] = {}
        self.text = ""
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self._cell = False
        self._address: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._cell = True
            self.rows[-1].append("")
        elif tag == "a":
            self._address = dict(attrs)["href"]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False
        elif tag == "a":
            self._address = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data
        if self._address:
            self.links[" ".join(data.split())] = self._address

    @property
    def said(self) -> str:
        return " ".join(self.text.split())


def read(answer: httpx.Response) -> Reader:
    return Reader(answer.text)


def table(answer: httpx.Response) -> list[list[str]]:
    """The rows of the page's table, without its head; a missing date is an empty text."""
    return [["" if cell in ("–", "lost") else cell for cell in row] for row in read(answer).rows[1:]]


class Sheet:
    """A CSV file as a spreadsheet program reads it: what it says of itself, its rows, and its last line."""

    def __init__(self, text: str) -> None:
        lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
        start = next(n for n, line in enumerate(lines) if line[0] == "name")
        self.about = {line[0]: line[1] for line in lines[:start]}
        self.rows = lines[start + 1 : -1]
        self.end = lines[-1]

    def shown(self) -> list[list[str]]:
        """The columns that a page shows too."""
        return [row[:8] for row in self.rows]
