"""`mail`: what a mail server tells about messages that it took."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from resolvers.outbox.bouncing import Bounce, bounce
from resolvers.principal import Principal
from resolvers.programs.acting import begin_act
from server.app import utc_now
from server.commands.database import in_database
from server.mail.notices import Notice, read_notice
from server.settings import Settings

console = Console(highlight=False, markup=False, soft_wrap=True)
mail = typer.Typer(help="Take what a mail server tells about messages.", no_args_is_help=True, rich_markup_mode="rich")
MAIL_SERVER = Principal(name="Mail server", role=Role.STAFF, origin="command line")
LARGEST_BYTES = 32 << 20


@mail.command("bounced")
def bounced() -> None:
    """Read a notice that mail could not be delivered (RFC 3464) from standard input, and mark its message as bounced.

    Messages come back to the sender's address with the message in it, such as vouchers+18f…-19a…@example.org: let the
    mail server pipe what comes there into this command. The same notice may come any number of times; one that only
    says that mail is delayed, or was delivered, changes nothing.

    Example: python3 -m server mail bounced < notice.eml
    """
    notice = read_notice(sys.stdin.buffer.read(LARGEST_BYTES))
    if not notice.failed:
        console.print(f"Nothing is changed: the message is {notice.action}.")
        return
    console.print(f"{_told(notice).value.capitalize()}.")


def _told(notice: Notice) -> Bounce:
    now = utc_now()

    async def step(session: AsyncSession) -> Bounce:
        act = await begin_act(session, MAIL_SERVER, now, notice.program_id)
        return await bounce(act, notice.message_id, notice.reason)

    return in_database(Settings.read(), step)
