"""`account`: what individuals registered with."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from resolvers.erasure.accounts import ErasedAccount, erase_account
from resolvers.principal import Principal
from server.commands.database import in_database
from server.settings import Settings

accounts = typer.Typer(
    help="What individuals registered with when they claimed a voucher.", no_args_is_help=True, rich_markup_mode="rich"
)
OPERATOR = Principal(name="Command line", role=Role.STAFF, origin="command line")


@accounts.callback()
def account() -> None:
    """What individuals registered with when they claimed a voucher."""


@accounts.command("erase")
def account_erase(
    email: Annotated[str, typer.Option(help="The address that they registered with, or were invited by.")],
) -> None:
    """Erase what names somebody by their address: their account, and where vouchers were sent to them.

    Vouchers and what they paid stay, of somebody whom a number stands for. Texts that an organization wrote in its own
    words are not searched. The mutation accountErase does the same; a learner of an organization is erased by the
    mutation personErase.

    Example: python3 -m server account erase --email nora@new.example
    """
    now = dt.datetime.now(dt.UTC)

    async def step(session: AsyncSession) -> ErasedAccount:
        return await erase_account(session, OPERATOR, now, email.strip())

    done = in_database(Settings.read(), step)
    print(f"Erased: {done.accounts} account, {done.assignments} assignments, {done.messages} messages.")
