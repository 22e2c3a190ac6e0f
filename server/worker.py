"""The worker: does what is due by itself, until it is told to stop. Any number of them may run, here or elsewhere."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import structlog

from models.access import Role
from resolvers.cohorts.standing import assign_standing
from resolvers.evidence.signing import Signer
from resolvers.gateways.gateway import Gateways
from resolvers.outbox.leasing import anything_due
from resolvers.outbox.sending import Desk, Sending
from resolvers.payments.reconciling import reconcile
from resolvers.principal import Principal
from resolvers.statements.keeping import close_months
from resolvers.tasks.doing import Clock, Ended, Hands, work_on
from resolvers.tasks.leasing import LeaseLost, claim
from resolvers.tasks.planning import plan
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.keeping import keep_vouchers
from server.code_keys import load_code_keys
from server.commands.database import NO_HURRY_SECONDS
from server.database import Database
from server.gateways.chosen import chosen_gateways
from server.mail.chosen import chosen_desk
from server.settings import Settings, variable

COUNTERSIGN = Principal(name="Countersign", role=Role.STAFF, origin="worker")
PAUSE_SECONDS = 30.0
BREAK_OFF_SECONDS = 5.0
log = structlog.get_logger()


class Worker:
    """Works off what is due, then waits a while and looks again. Nothing that fails ends it."""

    def __init__(
        self,
        database: Database,
        signer: Signer | None,
        clock: Clock,
        pause_seconds: float = PAUSE_SECONDS,
        gateways: Gateways | None = None,
        code_keys: CodeKeys | None = None,
        desk: Desk | None = None,
    ) -> None:
        self._hands = Hands(reading=database.reading, run=database.run, principal=COUNTERSIGN, signer=signer)
        self._clock = clock
        self._gateways = gateways or {}
        self._code_keys = code_keys
        self._desk = desk
        self._missed_desk = False
        self._pause_seconds = pause_seconds
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends it after the task that it is doing."""
        self._stopping.set()

    async def work(self) -> None:
        """Until it is stopped."""
        while not self._stopping.is_set():
            try:
                await self.work_off()
            except Exception:
                # The database is away, perhaps; it may be there again after the pause.
                log.exception("worker could not work")
            await self._pause()

    async def work_off(self) -> list[Ended]:
        """Plans what has become due, and does all that is due now; then looks after vouchers, and sends what there is
        to say. Payments first."""
        reading, run = self._hands.reading, self._hands.run
        await self._see_to("payments", partial(reconcile, reading, run, self._gateways, self._code_keys))
        ended = await self._work_off_tasks()
        await self._see_to("vouchers", partial(keep_vouchers, reading, run))
        await self._see_to("standing cohorts", partial(assign_standing, reading, run))
        await self._see_to("statements", partial(close_months, reading, run))
        await self._send()
        return ended

    async def _work_off_tasks(self) -> list[Ended]:
        await plan(self._hands.reading, self._hands.run, self._clock())
        ended: list[Ended] = []
        while not self._stopping.is_set():
            leased = await claim(self._hands.reading, self._hands.run, self._clock())
            if leased is None:
                break
            ended.append(await work_on(self._hands, self._clock, leased))
            _tell(ended[-1])
        return ended

    async def _see_to(self, what: str, chore: Callable[[Principal, dt.datetime], Awaitable[object]]) -> None:
        """A chore that fails keeps nothing else waiting, and is done again in the next round."""
        try:
            await chore(COUNTERSIGN, self._clock())
        except Exception:
            log.exception("a chore failed", chore=what)

    async def _send(self) -> None:
        """All that is due, a few at a time; a mail server that does not answer is left alone until the next round."""
        if self._desk is None:
            await self._miss_desk()
            return
        hands = self._hands
        sending = Sending(
            reading=hands.reading,
            run=hands.run,
            desk=self._desk,
            keys=self._code_keys,
            principal=COUNTERSIGN,
            clock=self._clock,
        )
        while not self._stopping.is_set() and await sending.some():
            pass

    async def _miss_desk(self) -> None:
        """Said once, when there is the first message to send."""
        if not self._missed_desk and await anything_due(self._hands.reading, self._clock()):
            self._missed_desk = True
            log.warning("messages wait: there is no mail server", setting=variable("smtp_url"))

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), self._pause_seconds)
        except TimeoutError:
            return


def _tell(ended: Ended) -> None:
    about = {"organization": ended.key.organization_id, "kind": ended.key.kind.name, "subject": ended.key.subject}
    if ended.failure is None:
        log.info("task done", **about)
    elif isinstance(ended.failure, LeaseLost):
        log.warning("task taken over by another worker", **about)
    else:
        log.error("task failed, and is tried again later", **about, exc_info=ended.failure)


# ----------------------------------------------------------------------------------- beside a server


class Beside:
    """A worker in a thread of its own: what it computes must not keep requests waiting."""

    def __init__(self, worker: Worker, database: Database, stop_seconds: float) -> None:
        self._worker, self._loop, self._stop_seconds = worker, asyncio.new_event_loop(), stop_seconds
        self._task = self._loop.create_task(_work(worker, database))
        self._thread = threading.Thread(target=_run, args=(self._loop, self._task), name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tells it to begin no other task."""
        self._tell(self._worker.stop)

    def end(self) -> None:
        """Waits for the task that it is doing. One that takes too long is broken off: its transaction is rolled back,
        and another worker takes it over when its lease has run out.
        """
        self.stop()
        self._thread.join(self._stop_seconds)
        self._tell(self._task.cancel)
        self._thread.join(BREAK_OFF_SECONDS)

    def _tell(self, what: Callable[[], object]) -> None:
        """A thread that has ended needs to be told nothing."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what)


@contextmanager
def working(settings: Settings, signer: Signer | None, clock: Clock, stop_seconds: float) -> Iterator[Beside | None]:
    """A worker beside a server, if the settings want one there."""
    if not settings.worker:
        yield None
        return
    # A database of its own: its statements may take as long as they need.
    database = Database.open(settings.database_url, statement_timeout_seconds=NO_HURRY_SECONDS)
    gateways, code_keys = chosen_gateways(settings), load_code_keys(settings.code_keys)
    desk = chosen_desk(settings)
    worker = Worker(database, signer, clock, gateways=gateways, code_keys=code_keys, desk=desk)
    beside = Beside(worker, database, stop_seconds)
    try:
        yield beside
    finally:
        beside.end()


async def _work(worker: Worker, database: Database) -> None:
    try:
        await worker.work()
    finally:
        await database.close()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner, suppress(asyncio.CancelledError):
        runner.get_loop().run_until_complete(task)
