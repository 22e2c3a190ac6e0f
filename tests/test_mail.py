"""Mail on the wire: what a reader sees, what nobody can smuggle in, what servers tell later, and the demo's mailbox."""

from __future__ import annotations

import asyncio
import datetime as dt
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from models.money import Money
from models.outbox import MessageKind
from resolvers.outbox.letters import About, Letter, NoAnswer, NoSuchRecipient, Outcome, Taken
from resolvers.tokens import PREFIX
from resolvers.vouchers.invitation_facts import InvitationFacts
from server.cli import app
from server.database import Database
from server.demo.mailbox import receiving
from server.mail.addresses import SmtpServer, sender, smtp_server
from server.mail.chosen import chosen_desk
from server.mail.notices import MailNoticeError, read_notice
from server.mail.smtp import SmtpMailer
from server.mail.wording import Wording
from server.settings import Settings, SettingsError
from tests.builders import NOON
from tests.mailing import FROM, SITE, Mailing, mailer, mailing
from tests.smtp_server import PostOffice, post_office, self_signed

SECRET = f"{PREFIX}secret-of-a-link"


def letter(kind: MessageKind = MessageKind.VOUCHER_INVITATION, **other: Any) -> Letter:
    recipient = other.pop("recipient", "ada@example.test")
    facts = {
        "recipient": recipient,
        "organization": "Xtra Lease",
        "program": "Board of Appraisers",
        "message": None,
        "value": Money(12_500, "USD"),
        "usable_through": dt.date(2026, 6, 30),
        "link_until": NOON,
        "secret": SECRET,
    }
    about = About(program_id=1, message_id=2, kind=kind, recipient=recipient, voucher_invitation_id=3)
    return Wording(SITE + "/")(about, InvitationFacts(**(facts | other)))


async def sent(office: PostOffice, one: Letter) -> Outcome:
    return await mailer(office).send(one, NOON)


# ------------------------------------------------------------------------------------------------ what is read


async def test_a_letter_says_what_whom_by_when_and_where_in_text_and_in_html() -> None:
    async with post_office() as office:
        assert await sent(office, letter(message="Dear Ada,\n  good luck. — Zoë 🦊")) == Taken()
        (mail,) = office.got
        assert mail["Subject"] == "Xtra Lease has a voucher for you"
        assert mail["From"] == "The Board <vouchers@board.test>"
        assert mail["Date"].datetime == NOON
        assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
        for said in (office.text(), office.html()):
            for word in ("Xtra Lease", "Board of Appraisers", "USD 125.00", "2026-06-30", "2026-01-01 12:00 UTC"):
                assert word in said
            assert f"{SITE}/claim/{SECRET}" in said
            assert "Dear Ada,\n  good luck. — Zoë 🦊" in said.replace("\r\n", "\n")
        await sent(office, letter(MessageKind.VOUCHER_REMINDER, usable_through=None))
        assert office.got[1]["Subject"] == "A voucher from Xtra Lease still waits for you"
        assert "does not expire" in office.text()


@pytest.mark.parametrize(
    "name", ["Evil\r\nBcc: all@example.test", "Evil\nSubject: other", "Evil\u2028\x00\x0b", "=?utf-8?q?a?=\r\n\r\nbody"]
)
async def test_nothing_that_people_wrote_becomes_a_header_or_code(name: str) -> None:
    async with post_office() as office:
        one = letter(organization=name, program=name, message=f"{name}\r\n.\r\nQUIT <script>alert(1)</script>")
        assert await sent(office, one) == Taken()
        (mail,) = office.got
        ours = "From To Subject Date Message-ID X-Countersign-Message Auto-Submitted MIME-Version Content-Type"
        assert sorted(mail.keys()) == sorted(ours.split())
        assert office.envelopes[0].rcpt_tos == ["ada@example.test"]
        assert "<script>" not in office.html()
        assert "QUIT <script>" in office.text()


@pytest.mark.parametrize(
    "address", ["a@b.test\r\nBcc: x@y.test", "a b@c.test", "a@b@c.test", "", "nobody", "a@b.test>, <x@y.test", "@"]
)
async def test_what_is_no_address_is_never_given_to_a_server(address: str) -> None:
    async with post_office() as office:
        assert isinstance(await sent(office, letter(recipient=address)), NoSuchRecipient)
        assert office.got == []


# ------------------------------------------------------------------------------------------------- the server


async def test_a_password_is_given_to_no_server_that_does_not_encrypt_or_cannot_prove_who_it_is(tmp_path: Path) -> None:
    for tls in (None, self_signed(tmp_path)):
        async with post_office(tls) as office:
            trusting = SmtpServer("127.0.0.1", office.port, tls=False, user="me", password="hunter2")
            outcome = await SmtpMailer(trusting, FROM).send(letter(), NOON)
            assert isinstance(outcome, NoAnswer)
            assert (office.got, office.passwords) == ([], [])
            assert "hunter2" not in outcome.reason + repr(trusting)


async def test_without_a_password_the_line_is_encrypted_where_the_server_can(tmp_path: Path) -> None:
    async with post_office(self_signed(tmp_path)) as office:
        assert await sent(office, letter()) == Taken()
        assert office.encrypted == [True]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.test", SmtpServer("mail.test", 587, tls=False)),
        ("smtps://me:p%40ss@mail.test/", SmtpServer("mail.test", 465, tls=True, user="me", password="p@ss")),
        ("smtp://[::1]:2525", SmtpServer("::1", 2525, tls=False)),
    ],
)
def test_a_mail_server_is_named_by_a_url(url: str, server: SmtpServer) -> None:
    assert smtp_server(url) == server


@pytest.mark.parametrize("name", ["smtp_url", "mail_from"])
@pytest.mark.parametrize("value", ["http://x", "smtp://", "smtp://me:hunter2@x:99999", "smtp://me:hunter2@x/y"])
def test_a_setting_of_mail_that_cannot_be_used_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"COUNTERSIGN_{name.upper()}", value)
    with pytest.raises(SettingsError, match="it must be") as refused:
        Settings.read()
    assert name == "mail_from" or "hunter2" not in str(refused.value)


@pytest.mark.parametrize("value", ["a@b.test\nBcc: x", "a@b.test, c@d.test", "nobody", "<>", "ä@b.test"])
def test_mail_comes_from_exactly_one_address(value: str) -> None:
    with pytest.raises(ValueError, match="an address that mail comes from"):
        sender(value)


def test_a_mail_server_needs_somebody_whom_mail_comes_from() -> None:
    with pytest.raises(SettingsError, match="COUNTERSIGN_MAIL_FROM"):
        chosen_desk(Settings(smtp_url="smtp://mail.test"))
    assert chosen_desk(Settings()) is None
    assert chosen_desk(Settings(smtp_url="smtp://mail.test", mail_from="a@b.test")) is not None


# --------------------------------------------------------------------------------------------- what is told later


NOTICE = """\
From: MAILER-DAEMON@mail.test
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="x"

--x
Content-Type: text/plain

I am sorry.
--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.test

Final-Recipient: rfc822; ada@example.test
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ada@example.test>:
 user unknown, {secret}
--x
Content-Type: {kind}

Message-ID: {message_id}
Subject: Xtra Lease has a voucher for you
{more}
--x--
"""


def notice(
    to: str = "nobody@board.test",
    action: str = "failed",
    kind: str = "text/rfc822-headers",
    message_id: str = "<other@x>",
    more: str = "",
) -> bytes:
    said = NOTICE.format(to=to, action=action, kind=kind, message_id=message_id, more=more, secret=SECRET)
    return said.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    "given",
    [
        {"to": "The Board <vouchers+1-2a@board.test>"},
        {"to": "VOUCHERS+1-2A@BOARD.TEST"},
        {"message_id": "<1-2a@board.test>"},
        {"kind": "message/rfc822", "message_id": "<1-2a@board.test>", "more": "\r\nThe letter."},
        {"more": "X-Countersign-Message: 1-2a"},
    ],
)
def test_a_notice_is_known_by_where_it_came_or_by_what_came_back(given: dict[str, str]) -> None:
    found = read_notice(notice(**given))
    assert (found.program_id, found.message_id, found.failed) == (1, 42, True)
    assert found.reason == "5.1.1 smtp; 550 5.1.1 <ada@example.test>: user unknown, …"


@pytest.mark.parametrize("nonsense", [b"", b"hello", b"\xff\x00" * 99, b"Action: failed\r\n\r\n", notice()])
def test_what_is_no_notice_of_ours_is_refused(nonsense: bytes) -> None:
    with pytest.raises(MailNoticeError, match=r"no delivery status|no message of Countersign"):
        read_notice(nonsense)


async def test_a_bounce_that_a_mail_server_pipes_into_the_command_kills_the_link(sqlite_database: Database) -> None:
    async with mailing(sqlite_database) as post:
        await post.invited()
        await post.round()
        returned = post.office.envelopes[0].mail_from or ""
        delayed = await bounced(post, notice(returned, action="delayed"))
        assert (delayed.exit_code, delayed.stdout) == (0, "Nothing is changed: the message is delayed.\n")
        assert await post.states() == ["SENT"]
        said = [await bounced(post, notice(returned)) for _ in range(2)]
        assert [one.stdout for one in said] == ["The message is marked as bounced.\n", "That was known before.\n"]
        assert (await post.states(), await post.ends_of_links()) == (["BOUNCED"], ["BOUNCED"])
        unknown = await bounced(post, notice("vouchers+1-2@board.test"))
        assert "There is no program" in str(unknown.exception)


async def bounced(post: Mailing, given: bytes) -> Result:
    """In a thread, since the command has a loop of its own."""
    surroundings = {"COUNTERSIGN_DATABASE_URL": post.market.database.url.render_as_string(hide_password=False)}
    command = partial(CliRunner().invoke, app, ["mail", "bounced"], input=given, env=surroundings)
    return await asyncio.to_thread(command)


# ------------------------------------------------------------------------------------------------------ the demo


async def test_the_demo_keeps_mail_as_pages_that_a_browser_opens(tmp_path: Path) -> None:
    console = Console(record=True, quiet=True)
    with receiving(tmp_path / "mail", console) as url:
        own = SmtpMailer(smtp_server(url), FROM)
        for _ in range(2):
            assert await own.send(letter(message="Good luck"), NOON) == Taken()
    kept = sorted(file.name for file in (tmp_path / "mail").iterdir())
    assert kept == ["0001.eml", "0001.html", "0002.eml", "0002.html"]
    page = (tmp_path / "mail" / "0002.html").read_text()
    assert f'href="{SITE}/claim/{SECRET}"' in page
    mail = message_from_bytes((tmp_path / "mail" / "0001.eml").read_bytes(), policy=policy.default)
    assert mail["To"] == "ada@example.test"
