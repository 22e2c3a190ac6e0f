"""Each rival in Python is served as we are: uvicorn with uvloop and httptools, one process, no access log."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp


def serve(make: Callable[[Path], ASGIApp]) -> None:
    options = argparse.ArgumentParser()
    options.add_argument("database", type=Path)
    options.add_argument("port", type=int)
    given = options.parse_args()
    uvicorn.run(
        make(given.database), port=given.port, access_log=False, log_level="warning", loop="uvloop", http="httptools"
    )
