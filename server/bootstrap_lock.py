"""Writes requirements.lock from pyproject.toml: exact versions and hashes for every platform, and no registry address.

The lock has one section a need, so that whoever only runs Countersign does not wait for the test tools. A package
stands in the first section that needs it; together the sections are one resolution.
"""

import subprocess
import sys
from pathlib import Path

from server.bootstrap import LOCK, ROOT, SECTIONS, Section

HEADER = "# Exact versions and hashes of pyproject.toml, by `python3 -m server lock`. Do not edit.\n"


def write_lock() -> None:
    """Resolves everything together, then deals the packages out to the sections in their order."""
    everything = _blocks(_compile([_source(section) for section in SECTIONS]))
    placed: set[str] = set()
    text = HEADER
    for section in SECTIONS:
        names = _blocks(_compile([_source(section)])).keys() - placed
        placed |= names
        text += f"\n# == {section} ==\n" + "".join(everything[name] for name in sorted(names))
    LOCK.write_text(text, encoding="utf-8")


def _source(section: Section) -> list[str]:
    return ["pyproject.toml"] if section == "run" else ["--group", section]


def _compile(sources: list[list[str]]) -> str:
    command = [
        str(Path(sys.prefix) / "bin" / "uv"),
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version=3.11",
    ]
    command += ["--generate-hashes", "--no-header", "--no-annotate", *(word for source in sources for word in source)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _blocks(compiled: str) -> dict[str, str]:
    """One requirement with its hashes a name; the hashes are the indented lines below it."""
    blocks: dict[str, str] = {}
    name = ""
    for line in compiled.splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            name = line.split("==")[0]
        blocks[name] = blocks.get(name, "") + line
    return blocks
