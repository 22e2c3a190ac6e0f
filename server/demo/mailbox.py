"""The demo's mail server: a real one on this machine, which delivers nothing and keeps each mail as files to open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from rich.console import Console

from server.demo.ports import HOST, free_port

SENDER = "Board of Appraisers <vouchers@board.example>"
OWNER_ONLY_FOLDER = 0o700


class Mailbox:
    """The mail as it came, in an .eml, and its HTML beside it for a browser."""

    def __init__(self, folder: Path, console: Console) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        self._folder, self._console = folder, console
        self._numbers = count(len(list(folder.glob("*.eml"))) + 1)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.original_content or b""
        mail = message_from_bytes(raw, policy=policy.default)
        shown = self._keep(f"{next(self._numbers):04}", raw, mail)
        self._console.print(f"Mail to {', '.join(envelope.rcpt_tos)}: {shown}", soft_wrap=True, markup=False)
        return "250 Kept"

    def _keep(self, name: str, raw: bytes, mail: EmailMessage) -> Path:
        kept = self._folder / f"{name}.eml"
        kept.write_bytes(raw)
        html = mail.get_body(("html",))
        if html is None:
            return kept
        page = kept.with_suffix(".html")
        page.write_text(html.get_content(), encoding="utf-8")
        return page


@contextmanager
def receiving(folder: Path, console: Console) -> Iterator[str]:
    """The URL of a mail server that keeps what it gets in the folder."""
    port = free_port()
    controller = Controller(Mailbox(folder, console), hostname=HOST, port=port)
    controller.start()
    try:
        yield f"smtp://{HOST}:{port}"
    finally:
        controller.stop()
