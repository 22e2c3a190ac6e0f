"""The words of letters, from templates: as text, and as HTML in which nothing that people wrote is code."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from models.interval import UTC
from models.outbox import MessageKind, reference_of
from resolvers.outbox.letters import About, Facts, Letter
from resolvers.sign_in_mail import SignInLink
from resolvers.tokens import digest_of

TEMPLATES = Path(__file__).parent.parent / "templates" / "mail"
SUBJECTS = {
    MessageKind.VOUCHER_INVITATION: "{organization} has a voucher for you",
    MessageKind.VOUCHER_REMINDER: "A voucher from {organization} still waits for you",
}
SIGN_IN_SUBJECT = "Your link to sign in"
LONGEST_NAME = 80


class Wording:
    """Writes letters whose links lead to the address at which people find Countersign."""

    def __init__(self, public_address: str) -> None:
        self._address = public_address.rstrip("/")
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
        )

    def __call__(self, about: About, facts: Facts) -> Letter:
        organization = one_line(facts.organization)
        subject = SUBJECTS[about.kind].format(organization=organization)
        said = {
            "facts": facts,
            "subject": subject,
            "organization": organization,
            "program": one_line(facts.program),
            "link": f"{self._address}/claim/{facts.secret}",
            "link_until": in_words(facts.link_until),
            "reminding": about.kind is MessageKind.VOUCHER_REMINDER,
        }
        return Letter(
            reference=reference_of(about.program_id, about.message_id),
            recipient=about.recipient,
            subject=subject,
            text=self._templates.get_template("voucher.txt").render(said),
            html=self._templates.get_template("voucher.html").render(said),
            secret=facts.secret,
        )

    def of_sign_in(self, link: SignInLink) -> Letter:
        """It is of no program, and what comes back of it is kept nowhere: who did not get it asks again."""
        said = {
            "subject": SIGN_IN_SUBJECT,
            "name": one_line(link.name),
            "link": f"{self._address}/sign-in/{link.secret}",
            "link_until": in_words(link.until),
        }
        return Letter(
            reference=f"sign-in-{digest_of(link.secret)[:16]}",
            recipient=link.recipient,
            subject=SIGN_IN_SUBJECT,
            text=self._templates.get_template("sign_in.txt").render(said),
            html=self._templates.get_template("sign_in.html").render(said),
            secret=link.secret,
        )


def one_line(name: str) -> str:
    """A name as it may stand in a subject: no line ends in it, and it does not fill the screen."""
    words = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return words if len(words) <= LONGEST_NAME else words[: LONGEST_NAME - 1] + "…"


def in_words(instant: dt.datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
