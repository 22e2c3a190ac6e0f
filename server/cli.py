"""The command line. `python3 -m server COMMAND --help` teaches a command: what it means, and an example that works."""

from __future__ import annotations

import sys

import typer

from models.errors import DomainError
from server.code_keys import CodeKeyError
from server.commands import (
    accounts,
    billing,
    checks,
    documents,
    evidence,
    invariants,
    mail,
    rosters,
    serving,
    tokens,
    upkeep,
)
from server.commands.evidence import EvidenceFileError
from server.commands.serving import PortTakenError
from server.documents import TrustedDocumentError
from server.mail.notices import MailNoticeError
from server.postgres import PostgresError
from server.readiness import DatabaseNotReady
from server.settings import SettingsError
from server.signing import SigningKeyError

app = typer.Typer(
    name="python3 -m server",
    help="Countersign: who was active, and when — an answer that stands up in a billing dispute.\n\n"
    "Start with: python3 -m server demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
for command in (
    serving.demo,
    serving.serve,
    rosters.import_roster,
    rosters.export,
    billing.billing_month,
    billing.drift,
    billing.work,
    evidence.verify,
    evidence.disclose,
    upkeep.settings,
    upkeep.migrate,
    upkeep.rebuild,
    invariants.invariants,
    upkeep.schema,
    documents.documents,
    upkeep.postgres,
    upkeep.lock,
):
    app.command()(command)
app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(checks.check)
app.add_typer(tokens.tokens, name="token")
app.add_typer(evidence.keys, name="keys")
app.add_typer(mail.mail, name="mail")
app.add_typer(accounts.accounts, name="account")

PLAIN_ENDINGS = (
    SettingsError,
    PostgresError,
    PortTakenError,
    DatabaseNotReady,
    DomainError,
    SigningKeyError,
    CodeKeyError,
    EvidenceFileError,
    MailNoticeError,
    TrustedDocumentError,
)


def run() -> None:
    """The command line; a problem that a person can mend ends it with its sentence instead of a traceback."""
    try:
        app()
    except PLAIN_ENDINGS as problem:
        sys.exit(f"countersign: {problem}")
