"""The outbox: what was decided is sent, at least once and normally once, and a crash is no excuse."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from models.base import Base
from models.errors import DomainError
from models.ids import encode_id
from models.outbox import MOST_ATTEMPTS, keys_of_reference, reference_of
from resolvers.outbox.bouncing import Bounce, bounce
from resolvers.outbox.leasing import LEASE
from resolvers.outbox.letters import Letter, Outcome
from resolvers.outbox.retrying import retry
from resolvers.outbox.sending import LONGEST_FAILURE, without_secret
from resolvers.vouchers.inviting import Inviting, cancel, invite, remind, resend
from server.database import Database
from server.mail.addresses import SmtpServer
from server.mail.smtp import SmtpMailer
from server.worker import Worker
from tests.asking import ask
from tests.code_keys import CODE_KEYS
from tests.dying import Dying, Killed
from tests.local_stripe import free_port
from tests.mailing import FROM, LINK, WORKER, Clock, mailing
from tests.smtp_server import Manner

MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


async def test_a_message_is_sent_once_and_its_link_is_nowhere_else(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    async with mailing(database) as post:
        await post.invited("ada@example.test", "Good luck, Ada!\nYour <team>")
        for _ in range(2):
            await post.round()
        (mail,) = post.office.got
        assert await post.states() == ["SENT"]
        found = LINK.search(post.office.text())
        assert found
        assert "Good luck, Ada!\nYour <team>" in post.office.text().replace("\r\n", "\n")
        assert "Your &lt;team&gt;" in post.office.html()
        assert found[0] in post.office.html()
        assert mail["To"] == "ada@example.test"
        reference = str(mail["X-Countersign-Message"])
        (row,) = await post.messages()
        assert keys_of_reference(reference) == (row.program_id, row.id)
        assert mail["Message-ID"] == f"<{reference}@board.test>"
        assert post.office.envelopes[0].mail_from == f"vouchers+{reference}@board.test"
        assert not await holds(database, found[1])
        said = capsys.readouterr()
        assert found[1] not in said.out + said.err


async def holds(database: Database, secret: str) -> bool:
    """Whether any table has it, as it is or in bytes."""
    async with database.reading() as connection:
        for name in Base.metadata.tables:
            for row in await connection.execute(text(f'SELECT * FROM "{name}"')):
                cells = [cell if isinstance(cell, bytes) else str(cell).encode() for cell in row]
                if any(secret.encode() in cell for cell in cells):
                    return True
    return False


async def test_what_was_rolled_back_is_not_sent(database: Database) -> None:
    async with mailing(database) as post:
        (voucher,) = await post.market.stock(CODE_KEYS)

        async def step(act: Any) -> None:
            await invite(act, CODE_KEYS, Inviting(address="ada@example.test", voucher_id=voucher.id))
            raise Killed

        with pytest.raises(Killed):
            await post.market.act(step)
        await post.round()
        assert (await post.messages(), post.office.got) == ([], [])


# --------------------------------------------------------------------------------------------- when a server says no


async def test_a_temporary_refusal_is_tried_again_later_and_later_still_for_three_days(database: Database) -> None:
    async with mailing(database) as post:
        post.office.manner = Manner.DEFER
        await post.invited()
        made_at, pauses = post.clock.now, []
        while (await post.states()) == ["WAITING"]:
            await post.round()
            # Too early: nothing happens.
            (row,) = await post.messages()
            post.clock.now = max(row.due_at - dt.timedelta(microseconds=1), post.clock.now)
            await post.round()
            (again,) = await post.messages()
            assert again.attempts == row.attempts
            pauses.append(row.due_at - made_at)
            post.clock.now = row.due_at
        assert [pauses[0], pauses[1], pauses[2]] == [1 * MINUTE, 3 * MINUTE, 7 * MINUTE]
        assert (row.state.name, row.attempts) == ("GIVEN_UP", MOST_ATTEMPTS)
        assert "451 4.7.1 Greylisted" in row.failure
        assert dt.timedelta(days=2, hours=12) < row.ended_at - made_at < dt.timedelta(days=3, hours=12)

        post.office.manner = Manner.TAKE
        await post.round()
        assert post.office.got == []
        for _ in range(2):
            await post.market.act(lambda act: retry(act, row.id), by=post.market.program_admin, at=post.clock.now)
        await post.round()
        assert await post.states() == ["SENT"]
        with pytest.raises(DomainError, match="Only what was given up"):
            await post.market.act(lambda act: retry(act, row.id), by=post.market.program_admin)
        with pytest.raises(DomainError, match="no message"):
            await post.market.act(lambda act: retry(act, row.id), by=post.market.client)


async def test_an_address_that_is_refused_bounces_and_its_link_is_dead(database: Database) -> None:
    async with mailing(database) as post:
        post.office.manners["nobody@example.test"] = Manner.REFUSE
        await post.invited("nobody@example.test")
        await post.invited("ada@example.test")
        await post.round()
        assert sorted(await post.states()) == ["BOUNCED", "SENT"]
        bounced = next(row for row in await post.messages() if row.state.name == "BOUNCED")
        assert "550 5.1.1 No such user here" in bounced.failure
        assert sorted(await post.ends_of_links(), key=str) == ["BOUNCED", None]


async def test_a_letter_that_is_refused_for_good_is_not_sent_again_by_itself(database: Database) -> None:
    async with mailing(database) as post:
        post.office.manner = Manner.REFUSE_LETTER
        await post.invited()
        await post.round()
        assert await post.states() == ["GIVEN_UP"]
        assert await post.ends_of_links() == [None]


async def test_one_that_hangs_keeps_no_other_waiting_and_no_server_costs_one_attempt(database: Database) -> None:
    async with mailing(database, answer_seconds=0.3) as post:
        post.office.manners["slow@example.test"] = Manner.HANG
        for address in ("slow@example.test", "ada@example.test", "bob@example.test"):
            await post.invited(address)
        await post.round()
        assert sorted(await post.states()) == ["SENT", "SENT", "WAITING"]
        slow = next(row for row in await post.messages() if row.state.name == "WAITING")
        assert slow.due_at == post.clock.now + MINUTE
        nobody = SmtpMailer(SmtpServer("127.0.0.1", free_port(), tls=False), FROM)
        for number in range(6):
            await post.invited(f"person-{number}@example.test")
        await post.round(nobody)
        # A server that is not there is asked for the first few alone.
        assert sorted(row.attempts for row in await post.messages()) == [0, 0, 1, 1, 1, 1, 1, 1, 1]


async def test_a_failure_that_quotes_the_letter_is_not_kept(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    async with mailing(database) as post:
        post.office.manner = Manner.QUOTE
        await post.invited()
        await post.round()
        (row,) = await post.messages()
        assert (row.state.name, row.failure) == ("WAITING", "The mail server quoted the letter, which is not kept.")
        post.office.manner, post.clock.now = Manner.TAKE, row.due_at
        await post.round()
        found = LINK.search(post.office.text())
        assert found
        assert not await holds(database, found[1])
        said = capsys.readouterr()
        assert found[1] not in said.out + said.err


def test_no_part_of_a_secret_that_would_help_is_kept_with_a_failure() -> None:
    secret = "csn_abcdefghijklmnopqrstuvwxyz"
    for said in (f"554 {secret}", f"554 {secret.upper()}", "554 …ghijklmnop…", "554 abcde\n fghij"):
        assert "quoted" in without_secret(said, secret)
    assert without_secret("451 try\r\n\x00later  please", secret) == "451 try later please"
    assert len(without_secret("x" * 2_000, None)) == LONGEST_FAILURE


# ------------------------------------------------------------------------------------------------- when it crashes


class CrashingMailer:
    """Is killed when the server has taken the letter, before anybody hears of it."""

    def __init__(self, inside: SmtpMailer) -> None:
        self._inside = inside

    async def send(self, letter: Letter, now: dt.datetime) -> Outcome:
        await self._inside.send(letter, now)
        raise Killed


@pytest.mark.parametrize("point", ["claiming", "claimed", "taken", "keeping", "kept"])
async def test_killed_at_any_point_it_is_sent_at_least_once_and_known_again(database: Database, point: str) -> None:
    points = {"claiming": (1, False), "claimed": (1, True), "keeping": (2, False), "kept": (2, True)}
    async with mailing(database) as post:
        await post.invited()
        killed = post.sending(mailer=CrashingMailer(post.sending().desk.mailer))  # type: ignore[arg-type]
        if point in points:
            at, committed = points[point]
            killed = post.sending(run=Dying(database.run, at, committed))
        with pytest.raises(Killed):
            await killed.some()
        sent_then = {"claiming": 0, "claimed": 0}.get(point, 1)
        assert len(post.office.got) == sent_then
        # Whoever has the lease may still be sending.
        await post.round()
        assert len(post.office.got) == (1 if point == "claiming" else sent_then)
        post.clock.now += LEASE
        await post.round()
        assert len(post.office.got) == (2 if point in ("taken", "keeping") else 1)
        assert len(set(post.office.ids)) == 1
        assert await post.states() == ["SENT"]


async def test_a_server_that_hangs_up_after_the_letter_gets_it_again_with_the_same_id(database: Database) -> None:
    async with mailing(database) as post:
        post.office.manner = Manner.DROP
        await post.invited()
        await post.round()
        assert await post.states() == ["WAITING"]
        post.office.manner, post.clock.now = Manner.TAKE, post.clock.now + MINUTE
        await post.round()
        assert await post.states() == ["SENT"]
        assert (len(post.office.got), len(set(post.office.ids))) == (2, 1)


async def test_what_kills_its_worker_each_time_is_given_up_in_the_end(database: Database) -> None:
    async with mailing(database) as post:
        await post.invited()
        killed = post.sending(mailer=CrashingMailer(post.sending().desk.mailer))  # type: ignore[arg-type]
        for _ in range(MOST_ATTEMPTS):
            with pytest.raises(Killed):
                await killed.some()
            post.clock.now += LEASE
        await killed.some()
        assert await post.states() == ["GIVEN_UP"]


# ---------------------------------------------------------------------------------------- what is said no more


async def test_what_it_was_about_has_ended_so_nothing_is_said(database: Database) -> None:
    async with mailing(database) as post:
        cancelled, resent, late = [await post.invited(f"{who}@example.test") for who in ("ann", "bob", "cas")]
        await post.market.act(lambda act: cancel(act, cancelled))
        await post.market.act(lambda act: resend(act, CODE_KEYS, resent, "rob@example.test"))
        await post.round()
        assert sorted(mail["To"] for mail in post.office.got) == ["cas@example.test", "rob@example.test"]
        assert sorted(await post.states()) == ["SENT", "SENT", "WITHDRAWN", "WITHDRAWN"]
        post.clock.now += 2 * DAY
        await post.market.act(lambda act: remind(act, late), at=post.clock.now)
        # The reminder could not be sent until its link was dead.
        post.clock.now += 60 * DAY
        await post.round()
        assert (await post.states())[-1] == "WITHDRAWN"
        assert len(post.office.got) == 2


async def test_a_reminder_says_so_with_the_same_link(database: Database) -> None:
    async with mailing(database) as post:
        voucher_id = await post.invited()
        await post.round()
        post.clock.now += 2 * DAY
        await post.market.act(lambda act: remind(act, voucher_id), at=post.clock.now)
        await post.round()
        first, second = (LINK.search(post.office.text(place)) for place in (0, 1))
        assert first
        assert second
        assert first[0] == second[0]
        assert "still waits for you" in str(post.office.got[1]["Subject"])
        assert len(set(post.office.ids)) == 2


# ------------------------------------------------------------------------------------------------ bounced later


async def test_a_bounce_is_kept_once_however_often_and_in_whatever_state_it_is_told(database: Database) -> None:
    async with mailing(database) as post:
        await post.invited()
        (row,) = await post.messages()

        async def told(message_id: int = row.id) -> Bounce:
            found: Bounce = await post.market.act(lambda act: bounce(act, message_id, "5.1.1 unknown"), by=WORKER)
            return found

        await post.round()
        assert [await told(), await told()] == [Bounce.KEPT, Bounce.KNOWN]
        assert (await post.states(), await post.ends_of_links()) == (["BOUNCED"], ["BOUNCED"])
        with pytest.raises(DomainError, match="no message"):
            await told(7)
        with pytest.raises(DomainError, match="Only the program"):
            await post.market.act(lambda act: bounce(act, row.id, "no"))


def test_a_reference_leads_back_to_its_message_in_any_case() -> None:
    assert keys_of_reference(reference_of(1 << 62, 77).upper()) == (1 << 62, 77)
    for nonsense in ("", "1", "1-", "x-1", "1-2-3", f"{1 << 63:x}-1", "1-" + "f" * 17):
        assert keys_of_reference(nonsense) is None


# ----------------------------------------------------------------------------------------------------- the worker


async def test_the_worker_sends_mail_and_without_a_mail_server_says_so_once(database: Database) -> None:
    async with mailing(database) as post:
        await post.invited()
        without = Worker(database, None, Clock(), code_keys=CODE_KEYS)
        with structlog.testing.capture_logs() as said:
            for _ in range(3):
                await without.work_off()
        (line,) = [one for one in said if "mail server" in one["event"]]
        assert line["setting"] == "COUNTERSIGN_SMTP_URL"
        assert await post.states() == ["WAITING"]
        await Worker(database, None, Clock(), code_keys=CODE_KEYS, desk=post.sending().desk).work_off()
        assert await post.states() == ["SENT"]


async def test_what_cannot_be_written_waits_with_the_place_where_it_failed(database: Database) -> None:
    """The server's keys are gone: that is mended by a person, and the message says what is wrong."""
    async with mailing(database) as post:
        await post.invited()
        await post.sending(keys=None).some()
        (row,) = await post.messages()
        assert (row.state.name, row.attempts) == ("WAITING", 1)
        assert "NO_CODE_KEYS" in row.failure


# ------------------------------------------------------------------------------------------------- through the API


MESSAGES = """query($program: ID!, $states: [MessageState!], $after: String) {
  program(by: {id: $program}) {
    messages(states: $states, first: 2, after: $after) {
      totalCount pageInfo { endCursor hasNextPage }
      nodes { id kind state recipient madeAt dueAt attempts failure endedAt program { id } }
    }
  }
}"""
RETRY = """mutation($input: MessageRetryInput!) {
  messageRetry(input: $input) { message { id state dueAt } userErrors { code field } }
}"""


async def test_who_runs_the_program_sees_its_messages_and_tries_again_what_was_given_up(database: Database) -> None:
    async with mailing(database) as post, mailing(database) as elsewhere:
        market, board = post.market, post.market.program_admin
        await elsewhere.invited("elsewhere@example.test")
        await post.invited("ada@example.test")
        await post.round()
        post.office.manner = Manner.REFUSE_LETTER
        for address in ("bob@example.test", "cas@example.test"):
            post.clock.now += MINUTE
            await post.invited(address)
        await post.round()
        program = encode_id("Program", market.program_id)
        shown = (await ask(database, MESSAGES, board, program=program)).data["program"]["messages"]
        assert shown["totalCount"] == 3
        assert [one["recipient"] for one in shown["nodes"]] == ["cas@example.test", "bob@example.test"]
        after = shown["pageInfo"]["endCursor"]
        rest = (await ask(database, MESSAGES, board, program=program, after=after)).data["program"]["messages"]
        (ada,) = rest["nodes"]
        assert (ada["state"], ada["kind"], ada["attempts"]) == ("SENT", "VOUCHER_INVITATION", 1)
        assert (ada["failure"], ada["dueAt"], ada["program"]["id"]) == (None, None, program)
        given_up = (await ask(database, MESSAGES, board, program=program, states=["GIVEN_UP"])).data["program"]
        assert given_up["messages"]["totalCount"] == 2
        (cas, _) = given_up["messages"]["nodes"]
        assert "554 5.7.1" in cas["failure"]

        for _ in range(2):
            again = (await ask(database, RETRY, board, input={"message": cas["id"]})).data["messageRetry"]
            assert (again["message"]["state"], again["userErrors"]) == ("WAITING", [])
        refused = (await ask(database, RETRY, board, input={"message": ada["id"]})).data["messageRetry"]
        assert refused["userErrors"] == [{"code": "WRONG_STATE", "field": ["input", "message"]}]
        for stranger in (market.client, elsewhere.market.program_admin):
            assert (await ask(database, MESSAGES, stranger, program=program)).errors == ["NOT_ALLOWED"]
            refused = (await ask(database, RETRY, stranger, input={"message": cas["id"]})).data["messageRetry"]
            assert [one["code"] for one in refused["userErrors"]] == ["NOT_FOUND"]
            node = "query($id: ID!) { node(id: $id) { id } }"
            assert (await ask(database, node, stranger, id=cas["id"])).data["node"] is None
            assert (await ask(database, node, board, id=cas["id"])).data["node"] == {"id": cas["id"]}
