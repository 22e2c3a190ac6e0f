"""The log: one line an event on standard error, for people on a terminal and JSON elsewhere. No secret reaches it."""

import re
import sys
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from models.codes import without_codes
from resolvers.tokens import PREFIX
from server.settings import LogLevel

SECRET_PATH = re.compile(r"^(/(?:claim|sign-in)/).*", re.DOTALL)
SECRET = re.compile(rf"{PREFIX}[\w-]{{8,}}")


def configure_logs(level: LogLevel, stream: TextIO = sys.stderr) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Plain text: the tracebacks that show local variables would show what people sent.
            structlog.processors.format_exc_info,
            without_secrets,
            _renderer(stream),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def without_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Whatever was logged by mistake, such as the address of a sign-in link in a traceback, the secret is cut out."""
    return {key: SECRET.sub(f"{PREFIX}…", value) if isinstance(value, str) else value for key, value in event.items()}


def loggable(path: str) -> str:
    """Behind some paths stands a secret, whatever it looks like; and somebody may take a code for an address."""
    return without_codes(SECRET_PATH.sub(r"\1…", path))


def _renderer(stream: TextIO) -> Processor:
    if stream.isatty():
        return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.JSONRenderer(serializer=_json)


def _json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
