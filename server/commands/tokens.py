"""`token`: who may speak to the API."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role, TokenUse
from resolvers.tokens import Issued, ListedToken, holder, issue_sign_in_link, issue_token, live_tokens, revoke
from server.addresses import public_address
from server.commands.database import in_database
from server.settings import Settings

console = Console(highlight=False)
tokens = typer.Typer(
    help="Make, list and revoke the tokens that the API asks for, and links that sign a browser in.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
HolderName = Annotated[str, typer.Option(help="Who it is for: a person or a system. It stands beside what they do.")]
RoleName = Annotated[
    Literal["staff", "organization", "partner", "individual", "program"],
    typer.Option(
        help="staff sees all; an organization's administrator and a partner see one organization; an individual "
        "sees what is theirs; a program's administrator runs one program."
    ),
]
OrganizationSlug = Annotated[
    str | None, typer.Option(help="The slug of the one organization of an administrator or a partner.")
]
ProgramSlug = Annotated[str | None, typer.Option(help="The slug of the one program of its administrator.")]
PersonId = Annotated[int | None, typer.Option(help="The account of an individual, by its number.")]


@tokens.command("issue")
def token_issue(
    role: RoleName,
    name: HolderName,
    organization: OrganizationSlug = None,
    person: PersonId = None,
    program: ProgramSlug = None,
    days: Annotated[int, typer.Option(help="How long it works, 1 to 366 days.", min=1, max=366)] = 90,
) -> None:
    """Make a token and show it, this once: only its hash is kept.

    Programs send it with each request as `Authorization: Bearer …`; people paste it at /sign-in.

    Example: python3 -m server token issue --role partner --name "Payroll" --organization xtra-lease --days 30
    """
    settings, now = Settings.read(), dt.datetime.now(dt.UTC)

    async def step(session: AsyncSession) -> Issued:
        principal = await holder(session, Role[role.upper()], name, organization, person, program)
        return await issue_token(session, now, principal, dt.timedelta(days=days))

    made = in_database(settings, step)
    print(f"A token for {made.name}, until {made.expires_at:%Y-%m-%d}. Keep it now, it is not shown again:\n")
    print(f"    {made.secret}\n\nTry it:\n\n    curl {public_address(settings)}graphql \\")
    print(f"      -H 'Authorization: Bearer {made.secret}' \\\n      -H 'Content-Type: application/json' \\")
    print("""      -d '{"query": "{ __typename }"}'""")


@tokens.command("link")
def token_link(
    name: HolderName,
    role: RoleName = "staff",
    organization: OrganizationSlug = None,
    person: PersonId = None,
    program: ProgramSlug = None,
) -> None:
    """Make a link that signs a browser in once, within 15 minutes, for twelve hours.

    Send it to the person it is for: whoever opens it first is signed in under that name.

    Example: python3 -m server token link --name Ada
    """
    settings, now = Settings.read(), dt.datetime.now(dt.UTC)

    async def step(session: AsyncSession) -> Issued:
        principal = await holder(session, Role[role.upper()], name, organization, person, program)
        return await issue_sign_in_link(session, now, principal)

    made = in_database(settings, step)
    print(f"This link signs {made.name} in, once, until {made.expires_at:%H:%M} UTC:\n")
    print(f"    {public_address(settings)}sign-in/{made.secret}")


@tokens.command("list")
def token_list() -> None:
    """List what still works: id, name, role, the last characters of the secret, and until when.

    The secrets themselves are kept nowhere.

    Example: python3 -m server token list
    """
    now = dt.datetime.now(dt.UTC)
    listed = in_database(Settings.read(), lambda session: live_tokens(session, now))
    table = Table("id", "name", "role", "for", "kind", "ends with", "works until", box=None)
    for token in listed:
        table.add_row(*shown_token(token))
    console.print(table if listed else "No token works now. Make one with: python3 -m server token issue --help")


def shown_token(token: ListedToken) -> tuple[str, ...]:
    kind = "sign-in link" if token.use is TokenUse.SIGN_IN else "token"
    whose = token.organization or token.program or (f"person {token.person_id}" if token.person_id else "")
    until = f"{token.expires_at:%Y-%m-%d %H:%M} UTC"
    return token.id, token.name, token.role.name.lower(), whose, kind, f"…{token.ending}", until


@tokens.command("revoke")
def token_revoke(
    name: Annotated[str, typer.Argument(help="A name, which revokes all that it has, or the id of one token.")],
) -> None:
    """End a token now, with the browser sessions that it began. By name, everything of that name ends.

    Example: python3 -m server token revoke Payroll
    """
    now = dt.datetime.now(dt.UTC)
    ended = in_database(Settings.read(), lambda session: revoke(session, now, name))
    words = {TokenUse.API: "tokens", TokenUse.SIGN_IN: "sign-in links", TokenUse.SESSION: "browser sessions"}
    said = ", ".join(f"{words[use]}: {ended.count(use)}" for use in TokenUse if use in ended)
    print(f"Revoked of {name}: {said}.")
