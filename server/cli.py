"""The command line: a function a command, each only joining parts that are made elsewhere.

`python3 -m server COMMAND --help` teaches a command: what it means, and an example that works.
"""

import asyncio
import datetime as dt
import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role, TokenUse
from models.errors import DomainError
from resolvers.tokens import Issued, ListedToken, holder, issue_sign_in_link, issue_token, live_tokens, revoke
from server.bootstrap_lock import write_lock
from server.database import Database, sketch_migration
from server.database import migrate as migrate_database
from server.demo import prepare_demo, welcome
from server.postgres import PostgresError, running_postgres
from server.readiness import DatabaseNotReady, prepare_database
from server.serving import serve as serve_on
from server.settings import LOCAL_FOLDER, ROOT, Settings, SettingsError, shown, variable

app = typer.Typer(
    name="python3 -m server",
    help="Countersign: who was active, and when — an answer that stands up in a billing dispute.\n\n"
    "Start with: python3 -m server demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
tokens = typer.Typer(
    help="Make, list and revoke the tokens that the API asks for, and links that sign a browser in.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(tokens, name="token")
console = Console(highlight=False)
PYTHON = sys.executable
CHECKS = {
    "style (ruff check)": [PYTHON, "-m", "ruff", "check", "--quiet"],
    "format (ruff format)": [PYTHON, "-m", "ruff", "format", "--check", "--quiet"],
    "layers (import-linter)": [PYTHON, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
    "types (mypy)": [PYTHON, "-m", "mypy", "--no-error-summary"],
}
TEST_WORKERS = 2
NO_TEST_RAN = 5


class PortTakenError(Exception):
    """Something else listens on the port; the message says which, and how to choose another."""


PLAIN_ENDINGS = (SettingsError, PostgresError, PortTakenError, DatabaseNotReady, DomainError)

Port = Annotated[int | None, typer.Option(help="Listen on this port instead of COUNTERSIGN_PORT (8000).")]
Host = Annotated[str | None, typer.Option(help="Listen on this address instead of COUNTERSIGN_HOST (127.0.0.1).")]


def run() -> None:
    """The command line; a problem that a person can mend ends it with its sentence instead of a traceback."""
    try:
        app()
    except PLAIN_ENDINGS as problem:
        sys.exit(f"countersign: {problem}")


@app.command()
def demo(port: Port = None, host: Host = None) -> None:
    """Prepare the demo data and serve it: the quickest way to see Countersign answer.

    The data is made from a fixed seed into a local SQLite file, once; nothing else is needed.

    Example: python3 -m server demo --port 8080
    """
    os.environ[variable("database_url")] = f"sqlite+aiosqlite:///{LOCAL_FOLDER / 'demo.db'}"
    settings = chosen(host, port)
    # The port first, so that nobody waits for data that then cannot be served.
    listening(settings.host, settings.port).close()
    secrets = prepare_demo(settings.database_url, console)
    for line in welcome(public_address(settings), secrets):
        console.print(line, soft_wrap=True)
    serve_until_stopped(settings)


@app.command()
def serve(port: Port = None, host: Host = None) -> None:
    """Serve the database of COUNTERSIGN_DATABASE_URL until stopped; running requests are finished first.

    Run `migrate` before the first start and after each update.

    Example: COUNTERSIGN_DATABASE_URL=postgresql://me:secret@db/countersign python3 -m server serve
    """
    serve_until_stopped(chosen(host, port))


def chosen(host: str | None, port: int | None) -> Settings:
    """The settings, where the command's own options come before the environment."""
    for name, value in (("host", host), ("port", port)):
        if value is not None:
            os.environ[variable(name)] = str(value)
    return Settings.read()


@app.command()
def settings() -> None:
    """List every setting: its environment variable, its value now, its default, and what it means.

    Passwords are masked.

    Example: COUNTERSIGN_PORT=9000 python3 -m server settings
    """
    now = Settings.read()
    for name, field in Settings.model_fields.items():
        value, default = shown(name, getattr(now, name)), shown(name, field.default)
        console.print(f"[bold]{variable(name)}[/bold] = {value or '(not set)'}", soft_wrap=True)
        note = "the default" if value == default else f"the default is {default or 'not set'}"
        console.print(f"    {field.description} [dim]({note})[/dim]", soft_wrap=True)
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted(name for name in os.environ if name.startswith("COUNTERSIGN_") and name not in known):
        console.print(f"{name} is set, and is not a setting: a misspelling?")


@app.command()
def migrate(
    sketch: Annotated[
        str | None, typer.Option(help="Write a new migration with this title from what the models have changed.")
    ] = None,
) -> None:
    """Bring the database of COUNTERSIGN_DATABASE_URL to the newest tables; harmless when it already is.

    Example: python3 -m server migrate
    """
    url = Settings.read().database_url
    asyncio.run(migrate_database(url))
    console.print("The database has the newest tables.")
    if sketch:
        asyncio.run(sketch_migration(url, sketch))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(
    context: typer.Context,
    thorough: Annotated[bool, typer.Option(help="Try many more examples in the property tests; far slower.")] = False,
) -> None:
    """Check everything: style, types, layers and all tests, on SQLite and on a PostgreSQL that it starts itself.

    What stands after -- goes to pytest.

    Example: python3 -m server test -- tests/test_platform.py -k forty
    """
    sys.exit(check_everything(context.args, thorough=thorough))


@app.command()
def postgres(
    folder: Annotated[Path, typer.Option(help="Where its data is kept.")] = LOCAL_FOLDER / "postgres",
) -> None:
    """Run a local PostgreSQL to try things with; prints its URL, and Ctrl-C stops it. The data stays.

    Example: python3 -m server postgres
    """
    with running_postgres(folder, durable=True) as url:
        console.print(f"PostgreSQL is running. Ctrl-C stops it; the data stays in {folder}.")
        console.print(f"COUNTERSIGN_DATABASE_URL={url}", soft_wrap=True)
        wait_for_interrupt()


def wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3_600)
    except KeyboardInterrupt:
        console.print("Stopping PostgreSQL …")


@app.command()
def lock() -> None:
    """Write requirements.lock anew from pyproject.toml: exact versions with hashes, for every platform.

    Example: python3 -m server lock
    """
    write_lock()
    console.print("requirements.lock is written; the next start installs what changed.")


T = TypeVar("T")
HolderName = Annotated[str, typer.Option(help="Who it is for: a person or a system. It stands beside what they do.")]
RoleName = Annotated[
    Literal["staff", "organization", "partner", "individual"],
    typer.Option(
        help="staff sees all; an organization's administrator and a partner see one organization; an individual "
        "sees what is theirs."
    ),
]
OrganizationSlug = Annotated[
    str | None, typer.Option(help="The slug of the one organization of an administrator or a partner.")
]
PersonId = Annotated[int | None, typer.Option(help="The account of an individual, by its number.")]


@tokens.command("issue")
def token_issue(
    role: RoleName,
    name: HolderName,
    organization: OrganizationSlug = None,
    person: PersonId = None,
    days: Annotated[int, typer.Option(help="How long it works, 1 to 366 days.", min=1, max=366)] = 90,
) -> None:
    """Make a token and show it, this once: only its hash is kept.

    Programs send it with each request as `Authorization: Bearer …`; people paste it at /sign-in.

    Example: python3 -m server token issue --role partner --name "Payroll" --organization xtra-lease --days 30
    """
    settings, now = Settings.read(), dt.datetime.now(dt.UTC)

    async def step(session: AsyncSession) -> Issued:
        principal = await holder(session, Role[role.upper()], name, organization, person)
        return await issue_token(session, now, principal, dt.timedelta(days=days))

    made = in_database(settings, step)
    print(f"A token for {made.name}, until {made.expires_at:%Y-%m-%d}. Keep it now, it is not shown again:\n")
    print(f"    {made.secret}\n\nTry it:\n\n    curl {public_address(settings)}graphql \\")
    print(f"      -H 'Authorization: Bearer {made.secret}' \\\n      -H 'Content-Type: application/json' \\")
    print("""      -d '{"query": "{ __typename }"}'""")


@tokens.command("link")
def token_link(
    name: HolderName, role: RoleName = "staff", organization: OrganizationSlug = None, person: PersonId = None
) -> None:
    """Make a link that signs a browser in once, within 15 minutes, for twelve hours.

    Send it to the person it is for: whoever opens it first is signed in under that name.

    Example: python3 -m server token link --name Ada
    """
    settings, now = Settings.read(), dt.datetime.now(dt.UTC)

    async def step(session: AsyncSession) -> Issued:
        return await issue_sign_in_link(
            session, now, await holder(session, Role[role.upper()], name, organization, person)
        )

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
    whose = token.organization or (f"person {token.person_id}" if token.person_id else "")
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


def in_database(settings: Settings, step: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """One transaction of a command, in the database that the server uses."""

    async def run_step() -> T:
        await prepare_database(settings)
        database = Database.open(settings.database_url)
        try:
            return await database.run(step)
        finally:
            await database.close()

    return asyncio.run(run_step())


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one check ended, and after how long."""

    name: str
    passed: bool
    said: str
    seconds: float


def check_everything(pytest_arguments: list[str], *, thorough: bool) -> int:
    """The exit code: 0 when the tests and every check passed. The tests' output streams, the checks' follows it."""
    print(f"Checking {', '.join(CHECKS)} beside the tests, which run on SQLite and PostgreSQL …", flush=True)
    with ThreadPoolExecutor(max_workers=1) as beside:
        running = [beside.submit(_run, name, command) for name, command in CHECKS.items()]
        passed = [_run_tests(pytest_arguments, thorough=thorough), *(_report(check) for check in running)]
    print("All green." if all(passed) else "Not green: see above.", flush=True)
    return 0 if all(passed) else 1


def _run_tests(arguments: list[str], *, thorough: bool) -> bool:
    command = [PYTHON, "-m", "pytest", f"--numprocesses={TEST_WORKERS}", "--quiet"]
    command += ["--hypothesis-profile=thorough"] if thorough else []
    code = subprocess.run([*command, *arguments], cwd=ROOT, check=False).returncode
    if code == NO_TEST_RAN:
        print("No test ran: nothing matches what was asked for.")
    return code == 0


def _run(name: str, command: list[str]) -> Outcome:
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    return Outcome(name=name, passed=done.returncode == 0, said=said, seconds=time.monotonic() - began)


def _report(check: Future[Outcome]) -> bool:
    outcome = check.result()
    print(f"{outcome.name}: {'passed' if outcome.passed else 'FAILED'} ({outcome.seconds:.0f} s)", flush=True)
    if not outcome.passed:
        print(outcome.said, flush=True)
    return outcome.passed


def serve_until_stopped(settings: Settings) -> None:
    """Serves on the settings' address. SIGTERM and Ctrl-C finish what is running, then stop."""
    with listening(settings.host, settings.port) as listener:
        print(f"Countersign answers at {address(settings)} — Ctrl-C stops it.", flush=True)
        serve_on(settings, listener)


def listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as problem:
        raise PortTakenError(_why_not(host, port, problem)) from problem


def address(settings: Settings) -> str:
    """Where a person on this machine finds it; an address that means every network is reached as localhost."""
    host = "localhost" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/"


def public_address(settings: Settings) -> str:
    """Where people find it: the address they are given, or else this machine's."""
    return f"{settings.public_url}/" if settings.public_url else address(settings)


def _why_not(host: str, port: int, problem: OSError) -> str:
    other = f"Choose another with --port 8080 or {variable('port')}=8080."
    if problem.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program. {other}"
    if problem.errno == errno.EACCES:
        return f"port {port} is reserved for administrators. {other}"
    return (
        f"cannot listen on {host} port {port} ({problem.strerror}). Is {variable('host')} an address of this machine?"
    )
