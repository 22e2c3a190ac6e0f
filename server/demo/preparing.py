"""Preparing the demo: its database, the key that signs, and links that sign in."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.organizations import Organization
from models.programs import Program
from resolvers.evidence.signing import Signer
from resolvers.principal import Principal
from resolvers.tokens import issue_sign_in_link
from resolvers.vouchers.codes import CodeKeys, must_have
from server.code_keys import load_code_keys, make_code_key
from server.database import Database, migrate
from server.demo.local_stripe import DECLINED_METHOD, PAYING_METHOD
from server.demo.recording import record_client
from server.demo.sponsoring import invite_applicant, record_program
from server.demo.stories import clients
from server.demo.vouchers import PROGRAM
from server.settings import Settings
from server.signing import load_signer, make_key, passphrase_of

T = TypeVar("T")
LINK_VALID = dt.timedelta(days=1)


def prepare_demo(settings: Settings, console: Console) -> dict[str, str]:
    """The demo's database, made if it is not there; and for each who may look round a link that signs them in once.

    It is made beside its place and moved there when it is whole: what was interrupted is made again.
    """
    url = settings.database_url
    place = Path(make_url(url).database or "")
    signer = load_signer(settings) or make_key(settings.signing_keys, passphrase_of(settings), dt.datetime.now(dt.UTC))
    code_keys = _code_keys(settings)
    if not place.exists():
        unfinished = place.with_suffix(".unfinished")
        _forget(unfinished)
        asyncio.run(_make(str(make_url(url).set(database=str(unfinished))), signer, code_keys, console))
        unfinished.rename(place)
    return asyncio.run(_ready(url))


def _code_keys(settings: Settings) -> CodeKeys:
    if load_code_keys(settings.code_keys) is None:
        make_code_key(settings.code_keys, dt.datetime.now(dt.UTC))
    return must_have(load_code_keys(settings.code_keys))


async def _ready(url: str) -> dict[str, str]:
    await migrate(url)
    return await _with_database(url, _sign_in_links)


def _forget(file: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


async def _make(url: str, signer: Signer, code_keys: CodeKeys, console: Console) -> None:
    await migrate(url)

    async def record(database: Database) -> None:
        recorded = clients()
        for client in recorded:
            console.print(f"Recording {client.name}: {len(client.stories)} learners, day by day …")
            await database.run(partial(record_client, client=client, signer=signer))
        await database.run(partial(record_program, client=recorded[0], keys=code_keys))
        await database.run(partial(invite_applicant, keys=code_keys, now=dt.datetime.now(dt.UTC)))

    await _with_database(url, record)


async def _with_database(url: str, use: Callable[[Database], Awaitable[T]]) -> T:
    database = Database.open(url)
    try:
        return await use(database)
    finally:
        await database.close()


async def _sign_in_links(database: Database) -> dict[str, str]:
    """The secrets of links for a support manager, the client's own administrator and the program's."""
    now = dt.datetime.now(dt.UTC)

    async def issue(session: AsyncSession) -> dict[str, str]:
        own = await session.scalar(select(Organization.id).where(Organization.slug == "xtra-lease"))
        board = await session.scalar(select(Program.id).where(Program.slug == PROGRAM))
        people = [
            Principal(name="Support", role=Role.STAFF),
            Principal(name="Xtra Lease's administrator", role=Role.ORGANIZATION, organization_id=own),
        ]
        # A demo that was made before there were programs has none.
        if board is not None:
            people.append(Principal(name="Board of Appraisers", role=Role.PROGRAM, program_id=board))
        return {who.name: (await issue_sign_in_link(session, now, who, LINK_VALID)).secret for who in people}

    return await database.run(issue)


def welcome(address: str, mail: Path, secrets: dict[str, str]) -> list[str]:
    """What the demo says before it serves."""
    links = [f"  {name}: {address}sign-in/{secret}" for name, secret in secrets.items()]
    return [
        "",
        "Sign in with one of these links; each works once, within a day. Another start of the demo makes new ones.",
        *links,
        "",
        f"Then: pages at {address}admin, the explorer at {address}explorer, GraphQL at {address}graphql",
        f"A dispute to settle: {address}admin/billing?date=2017-09-01",
        f"A cohort to give vouchers to: {address}admin/organizations/xtra-lease/cohorts",
        f"Mail is delivered to nobody: each is kept as a page in {mail}; one invites a new hire to a voucher",
        f"Cards are charged by a local Stripe server: paymentMethod {PAYING_METHOD} pays, {DECLINED_METHOD} does not",
        "",
    ]
