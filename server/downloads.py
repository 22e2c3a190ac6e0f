"""Files that are downloaded: kept by nobody in between, named for what is in them, and refused in plain words."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def attached(file_name: str) -> dict[str, str]:
    """The headers of a file of this ASCII name."""
    return HEADERS | {"Content-Disposition": f'attachment; filename="{file_name}"'}


def refused(message: str, status: int) -> Response:
    return PlainTextResponse(f"{message}\n", status, headers=HEADERS)
