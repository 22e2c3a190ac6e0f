"""`demo` and `serve`: a server until it is stopped."""

from __future__ import annotations

import errno
import os
import socket
from typing import Annotated

import typer
from rich.console import Console

from server.addresses import address, public_address
from server.demo.local_stripe import SECRET_KEY as DEMO_STRIPE_KEY
from server.demo.local_stripe import charging_nobody
from server.demo.mailbox import SENDER as DEMO_SENDER
from server.demo.mailbox import receiving
from server.demo.preparing import prepare_demo, welcome
from server.serving import serve as serve_on
from server.settings import LOCAL_FOLDER, Settings, variable

console = Console(highlight=False)
DEMO_MAIL = LOCAL_FOLDER / "demo-mail"

Port = Annotated[int | None, typer.Option(help="Listen on this port instead of COUNTERSIGN_PORT (8000).")]
Host = Annotated[str | None, typer.Option(help="Listen on this address instead of COUNTERSIGN_HOST (127.0.0.1).")]


class PortTakenError(Exception):
    """Something else listens on the port; the message says which, and how to choose another."""


def demo(port: Port = None, host: Host = None) -> None:
    """Prepare the demo data and serve it: the quickest way to see Countersign answer.

    The data is made from a fixed seed into a local SQLite file, once; nothing else is needed. Mail goes nowhere: a
    mail server of its own keeps it as files. Nor is any card charged: a local Stripe server takes test cards.

    Example: python3 -m server demo --port 8080
    """
    os.environ[variable("database_url")] = f"sqlite+aiosqlite:///{LOCAL_FOLDER / 'demo.db'}"
    settings = chosen(host, port)
    # The port first, so that nobody waits for data that then cannot be served.
    listening(settings.host, settings.port).close()
    secrets = prepare_demo(settings, console)
    with receiving(DEMO_MAIL, console) as mail_server, charging_nobody() as stripe_server:
        os.environ[variable("smtp_url")], os.environ[variable("mail_from")] = mail_server, DEMO_SENDER
        os.environ[variable("stripe_url")], os.environ[variable("stripe_secret_key")] = stripe_server, DEMO_STRIPE_KEY
        for line in welcome(public_address(settings), DEMO_MAIL, secrets):
            console.print(line, soft_wrap=True)
        serve_until_stopped(chosen(host, port))


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


def _why_not(host: str, port: int, problem: OSError) -> str:
    other = f"Choose another with --port 8080 or {variable('port')}=8080."
    if problem.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program. {other}"
    if problem.errno == errno.EACCES:
        return f"port {port} is reserved for administrators. {other}"
    return (
        f"cannot listen on {host} port {port} ({problem.strerror}). Is {variable('host')} an address of this machine?"
    )
