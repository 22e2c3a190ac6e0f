"""The statements of those who write SQL themselves: Ariadne's, mercurius's and the limit's, from the same files.

They are as quick as we know how to make them, and ask what ours ask, but only as known now: then what was superseded is
never known, so it is not looked for. Ids come as text, because JavaScript's numbers do not hold them, and so does every
date that is not known as null.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"


def statement(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def read_only(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True, check_same_thread=False)
