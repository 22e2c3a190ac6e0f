"""Sending what is due: claimed, written, given to a mail server outside any transaction, and how that ended is kept.

Who crashes between the server's yes and ours leaves a lease that runs out: the message is sent again, and known again
by its reference. So each is sent at least once, and normally once.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from models.outbox import MOST_ATTEMPTS, MessageState
from resolvers.database import Reading, Writing
from resolvers.outbox.leasing import Leased, claim_some, end, postpone
from resolvers.outbox.letters import (
    Composer,
    Letter,
    Mailer,
    NoAnswer,
    NoSuchRecipient,
    NotTaken,
    Outcome,
    Taken,
    facts_of,
)
from resolvers.principal import Principal
from resolvers.programs.acting import begin_act
from resolvers.tasks.leasing import pause_after, told
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.inviting import keep_bounce

log = structlog.get_logger()

AT_ONCE = 4
LONGEST_FAILURE = 500
# So many characters of a secret in a row are too many.
TELLING = 8
BEGUN_TOO_OFTEN = "It was begun so often, and never came to an end."


@dataclass(frozen=True, slots=True)
class Desk:
    """Who writes letters, and who carries them."""

    composer: Composer
    mailer: Mailer


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """With what, and in whose name, messages are sent."""

    reading: Reading
    run: Writing
    desk: Desk
    keys: CodeKeys | None
    principal: Principal
    clock: Callable[[], dt.datetime]

    async def some(self) -> bool:
        """A few of those that are due, at once. False if that was all, or the mail server does not answer."""
        leased = await claim_some(self.reading, self.run, self.clock(), AT_ONCE)
        outcomes = await asyncio.gather(*(self._deal_with(one) for one in leased))
        return bool(leased) and not any(isinstance(one, NoAnswer) for one in outcomes)

    async def _deal_with(self, leased: Leased) -> Outcome | None:
        """What fails for one keeps no other waiting."""
        try:
            return await self._send(leased)
        except Exception as failure:
            log.exception("message could not be sent", **_named(leased))
            await self._fail(leased, told(failure))
        return None

    async def _fail(self, leased: Leased, failure: str) -> None:
        """If even that cannot be kept, its lease runs out."""
        try:
            await self._try_again(leased, failure)
        except Exception:
            log.exception("the failure of a message could not be kept", **_named(leased))

    async def _send(self, leased: Leased) -> Outcome | None:
        if leased.attempts > MOST_ATTEMPTS:
            await self._end(leased, MessageState.GIVEN_UP, BEGUN_TOO_OFTEN)
            return None
        letter = await self._written(leased)
        if letter is None:
            await self._end(leased, MessageState.WITHDRAWN)
            return None
        outcome = await self.desk.mailer.send(letter, self.clock())
        await self._keep(leased, letter, outcome)
        return outcome

    async def _written(self, leased: Leased) -> Letter | None:
        async with self.reading() as connection:
            facts = await facts_of(connection, self.keys, self.clock(), leased.about)
        return None if facts is None else self.desk.composer(leased.about, facts)

    # ---------------------------------------------------------------------------------------- what is kept

    async def _keep(self, leased: Leased, letter: Letter, outcome: Outcome) -> None:
        if isinstance(outcome, Taken):
            await self._end(leased, MessageState.SENT)
            return
        failure = without_secret(outcome.reason, letter.secret)
        log.warning("message not taken", outcome=type(outcome).__name__, failure=failure, **_named(leased))
        if isinstance(outcome, NoSuchRecipient):
            await self._end(leased, MessageState.BOUNCED, failure)
        elif isinstance(outcome, NotTaken):
            await self._end(leased, MessageState.GIVEN_UP, failure)
        else:
            await self._try_again(leased, failure)

    async def _try_again(self, leased: Leased, failure: str) -> None:
        """Later, and each time later still, for about three days."""
        if leased.attempts >= MOST_ATTEMPTS:
            await self._end(leased, MessageState.GIVEN_UP, failure)
            return
        until = self.clock() + pause_after(leased.attempts)
        self._tell(leased, await self.run(lambda session: postpone(session, leased, until, failure)))

    async def _end(self, leased: Leased, state: MessageState, failure: str | None = None) -> None:
        now = self.clock()

        async def step(session: AsyncSession) -> bool:
            kept = await end(session, leased, now, state, failure)
            if kept and state is MessageState.BOUNCED:
                act = await begin_act(session, self.principal, now, leased.about.program_id)
                await keep_bounce(act, leased.about.voucher_invitation_id)
            return kept

        self._tell(leased, await self.run(step))

    def _tell(self, leased: Leased, kept: bool) -> None:
        if not kept:
            log.warning("message taken over by another worker, or withdrawn", **_named(leased))


def _named(leased: Leased) -> dict[str, object]:
    about = leased.about
    return {"program": about.program_id, "message": about.message_id, "kind": about.kind.name}


def without_secret(said: str, secret: str | None) -> str:
    """A mail server's words on one line; none of them if they quote the secret, even in part."""
    words = " ".join("".join(c if c.isprintable() else " " for c in said).split())[:LONGEST_FAILURE]
    parts = {secret[n : n + TELLING].lower() for n in range(len(secret) - TELLING + 1)} if secret else set()
    squeezed = words.lower().replace(" ", "")
    return "The mail server quoted the letter, which is not kept." if any(p in squeezed for p in parts) else words
