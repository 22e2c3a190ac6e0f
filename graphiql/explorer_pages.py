"""The explorer's routes: its page, its files, and the operations it offers.

If the explorer is not built, a plain page of our own stands in for it, at the same address and by the same rules.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from graphiql.explorer.build import DIST, FOLDER
from graphiql.operations import Operation

PLAIN = FOLDER / "plain"

# 'unsafe-inline' is for styles only: the editor measures and places its text with style attributes.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; "
    # These do not fall back to default-src.
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
ASK_EVERY_TIME = {"Cache-Control": "no-cache"}
KEEP_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
# Named here, as the machine's own table may say otherwise; a file of another kind is not served.
MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}


@dataclass(frozen=True)
class Bundle:
    """A page and its files by name; the digest of all is part of their address, so a browser may keep them for good."""

    page: str
    files: dict[str, Path]
    digest: str


def explorer_routes(operations: Sequence[Operation], *, built: Path = DIST) -> list[Route]:
    """The explorer if it is built in that folder, else the plain page; a later build shows after a restart."""
    bundle = read_bundle(built if (built / "index.html").is_file() else PLAIN)
    offered = [asdict(operation) for operation in operations]

    async def page(request: Request) -> Response:
        return HTMLResponse(bundle.page, headers=SECURITY_HEADERS | ASK_EVERY_TIME)

    async def operations_json(request: Request) -> Response:
        return JSONResponse(offered, headers=SECURITY_HEADERS | ASK_EVERY_TIME)

    async def asset(request: Request) -> Response:
        # A look-up among known names: no path from outside ever meets the disk.
        path = bundle.files.get(request.path_params["name"])
        if path is None or request.path_params["digest"] != bundle.digest:
            raise HTTPException(404)
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=SECURITY_HEADERS | KEEP_FOREVER)

    return [
        Route("/explorer", page, name="explorer"),
        Route("/explorer/operations.json", operations_json),
        Route("/explorer/assets/{digest}/{name}", asset),
    ]


def read_bundle(folder: Path) -> Bundle:
    files = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in MEDIA_TYPES}
    # Both pages wear the same icon.
    files.setdefault("icon.svg", FOLDER / "src" / "icon.svg")
    digest = _digest(files)
    page = (folder / "index.html").read_text(encoding="utf-8")
    return Bundle(page.replace("{assets}", f"/explorer/assets/{digest}"), files, digest)


def _digest(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in files.items():
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
