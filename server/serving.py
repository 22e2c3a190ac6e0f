"""Serving until told to stop: no new requests then, those that run are finished, and the database is closed."""

import asyncio
import gc
import socket
from types import FrameType

import structlog
import uvicorn
from sqlalchemy.orm import configure_mappers
from starlette.applications import Starlette

from server.app import create_app, utc_now
from server.code_keys import load_code_keys
from server.connections import bounded_by
from server.gateways.chosen import chosen_gateways
from server.mail.chosen import chosen_desk
from server.readiness import Readiness, prepare_database
from server.settings import Settings
from server.signing import load_signer
from server.worker import Beside, working

log = structlog.get_logger()

STOP_SECONDS = 10
# Of Python's own 700 one receipt or ten questions make enough for a full collection, which takes a quarter of a second.
OBJECTS_BETWEEN_COLLECTIONS = 100_000


class Server(uvicorn.Server):
    """Says that it is not ready before it stops listening, so that nothing more is sent here."""

    def __init__(self, app: Starlette, settings: Settings, beside: Beside | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded_by(settings.request_timeout_seconds),
                # Our own log has a line for each request; uvicorn's warnings still reach standard error.
                access_log=False,
                log_config=None,
                log_level=settings.log_level,
                timeout_graceful_shutdown=STOP_SECONDS,
                server_header=False,
            )
        )
        self._readiness: Readiness = app.state.readiness
        self._beside = beside

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._readiness.stopping = True
        if self._beside:
            self._beside.stop()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """The worker ends within it: after it uvicorn raises the signal again, which ends the process."""
        await super().shutdown(sockets)
        if self._beside:
            await asyncio.to_thread(self._beside.end)


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serves on an open socket until SIGTERM or Ctrl-C. Raises DatabaseNotReady before anything is served."""
    asyncio.run(prepare_database(settings))
    signer = load_signer(settings)
    if signer is None:
        log.warning("evidence.unsigned", reason="there is no signing key: python3 -m server keys new makes one")
    code_keys = load_code_keys(settings.code_keys)
    if code_keys is None:
        log.warning("vouchers.no_keys", reason="there is no key for codes: python3 -m server keys codes makes one")
    desk = chosen_desk(settings)
    app = create_app(
        settings,
        signer=signer,
        code_keys=code_keys,
        gateways=chosen_gateways(settings),
        mailer=desk.mailer if desk else None,
    )
    settle()
    with working(settings, signer, utc_now, STOP_SECONDS) as beside:
        Server(app, settings, beside).run(sockets=[listener])


def settle() -> None:
    """What is there now, types and tables most of all, stays until the end: no full collection looks through it again,
    which would keep everybody waiting for half a second. Of the rest there are few.
    """
    configure_mappers()
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
