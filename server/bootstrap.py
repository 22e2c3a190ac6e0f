"""Sets the project up on a bare Python, then runs the command inside the project's own environment.

Standard library only: it runs before anything is installed. The second start finds the stamp and does nothing.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

Section = Literal["setup", "run", "demo", "test", "node"]

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
SECTIONS: tuple[Section, ...] = get_args(Section)
NEEDING_DEMO_TOOLS = {"demo", "test", "postgres", "lock"}
NEEDING_TEST_TOOLS = {"test", "postgres", "lock"}
NEEDING_EXPLORER = {"demo", "serve", "test"}
OLDEST_NODE = 20
# A network that is not there must be told in seconds, not after minutes of retries.
PATIENCE = {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "15", "UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "30"}
SIGNS_OF_NO_NETWORK = re.compile(
    r"name resolution|Name or service not known|dns error|Network is unreachable|Connection refused|NewConnectionError"
    r"|ConnectTimeout|timed out|Failed to fetch|client error \(Connect\)|error sending request",
    re.IGNORECASE,
)


class SetUpError(Exception):
    """A step of the set-up could not be done; the message says what is missing and how to mend it."""


def main() -> None:
    """Runs `python -m server …`: sets up what the command needs, then hands over to the command line."""
    arguments = sys.argv[1:]
    try:
        environment = Environment(ROOT / ".venv")
        with building_explorer(_needs(arguments, NEEDING_EXPLORER) and has_node()):
            environment.prepare(sections_for(arguments))
        if not environment.is_this_one():
            environment.enter(arguments)
        # Without a Node of the system, the environment's own builds it, and that is only here by now.
        with building_explorer(_needs(arguments, NEEDING_EXPLORER) and not has_node()):
            pass
    except SetUpError as problem:
        sys.exit(f"countersign: {problem}")
    except KeyboardInterrupt:
        sys.exit("countersign: stopped; the next start goes on from here.")
    from server.cli import run  # noqa: PLC0415  (before this line nothing but the standard library is sure to be there)

    run()


def sections_for(arguments: list[str]) -> list[Section]:
    """The sections of the lock that this command needs; Node only where the explorer is built and the PATH has none."""
    sections: list[Section] = ["setup", "run"]
    if _needs(arguments, NEEDING_DEMO_TOOLS):
        sections.append("demo")
    if _needs(arguments, NEEDING_TEST_TOOLS):
        sections.append("test")
    if _needs(arguments, NEEDING_EXPLORER) and not has_node():
        sections.append("node")
    return sections


def _needs(arguments: list[str], commands: set[str]) -> bool:
    """Whether the command is one of these; asking for its help needs nothing."""
    return bool(commands.intersection(arguments[:1])) and "--help" not in arguments


def has_node() -> bool:
    """Whether a Node that can build the explorer is on the PATH, with the npm that some systems package apart."""
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", said)
    return version is not None and int(version[1]) >= OLDEST_NODE


def read_sections(lock: str) -> dict[str, str]:
    """The lock's text by section: what stands below each `# == name ==` line."""
    _, *parts = re.split(r"^# == (\w+) ==\n", lock, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


class Environment:
    """The project's own environment, a folder that can be deleted at any time: the next start makes it again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamp = folder / "countersign.stamp"

    def is_this_one(self) -> bool:
        """Whether the running Python is the environment's."""
        return Path(sys.prefix).resolve() == self.folder.resolve()

    def enter(self, arguments: list[str]) -> None:
        """Becomes the same command inside the environment; nothing after this line runs."""
        os.chdir(ROOT)
        os.execv(self.python, [str(self.python), "-m", "server", *arguments])  # noqa: S606

    def prepare(self, wanted: list[Section]) -> None:
        """Makes the environment hold the wanted sections of the lock; quick and silent where it already does."""
        texts = read_sections(LOCK.read_text(encoding="utf-8"))
        if self._missing(wanted, texts):
            with only_one_at_a_time(self.folder.parent / ".bootstrap.lock"):
                # Asked again: the one we waited for may have done it all.
                if missing := self._missing(wanted, texts):
                    self._make()
                    self._install(missing, texts)

    def _missing(self, wanted: list[Section], texts: Mapping[str, str]) -> list[Section]:
        """What to install: nothing, or all that is wanted with all that was installed before: they fit together."""
        installed = self._installed()
        if all(installed.get(section) == _digest(texts[section]) for section in wanted):
            return []
        return [section for section in SECTIONS if section in wanted or section in installed]

    def _installed(self) -> dict[str, str]:
        """The stamp: the digest of every section that was installed; nothing if the environment's Python is gone."""
        if not (self.python.exists() and self.stamp.exists()):
            return {}
        return {str(name): str(digest) for name, digest in json.loads(self.stamp.read_text(encoding="utf-8")).items()}

    def _make(self) -> None:
        """Makes the environment, also where it is broken: by an interrupted start, or a Python that was removed."""
        if self._works():
            return
        if not importlib.util.find_spec("ensurepip"):
            raise SetUpError(
                "this Python has no venv module (ensurepip), which makes the project's environment. On Debian or "
                "Ubuntu: apt-get install python3-venv — then run the same command again."
            )
        say(f"Making the project's own environment in {self.folder.name} (Python {sys.version.split()[0]}) …")
        run_step([sys.executable, "-m", "venv", "--clear", str(self.folder)], "The environment could not be made")

    def _works(self) -> bool:
        check = (
            "import sys, importlib.util as i; "
            "sys.exit(sys.version_info < (3, 11) or not (i.find_spec('uv') or i.find_spec('pip')))"
        )
        if not self.python.exists():
            return False
        return subprocess.run([self.python, "-c", check], capture_output=True, check=False).returncode == 0

    def _install(self, sections: list[Section], texts: Mapping[str, str]) -> None:
        """Installs exactly these sections, every package checked against its hash, and stamps what was done."""
        uv = self.folder / "bin" / "uv"
        if not uv.exists():
            say("Installing the installer (uv) …")
            installer = self._write("setup", texts["setup"])
            pip = [str(self.python), "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", installer]
            run_step(pip, "uv could not be installed")
        text = "".join(texts[section] for section in sections)
        say(f"Installing {len(re.findall(r'^[^ #]+==', text, re.MULTILINE))} locked packages …")
        locked = self._write("wanted", text)
        # Compiled once here, in parallel: a Python that may not write bytecode would take seconds more at each start.
        sync = [str(uv), "pip", "sync", "--quiet", "--compile-bytecode", "--python", str(self.python)]
        run_step([*sync, "--require-hashes", locked], "The locked packages could not be installed")
        self.stamp.write_text(json.dumps({section: _digest(texts[section]) for section in sections}), encoding="utf-8")

    def _write(self, name: str, text: str) -> str:
        path = self.folder / f"countersign-{name}.txt"
        path.write_text(text, encoding="utf-8")
        return str(path)


@contextlib.contextmanager
def building_explorer(wanted: bool) -> Iterator[None]:
    """Builds GraphiQL beside what else is done, where it is not built, and waits for it at the end.

    A failure is told by the builder and stops nothing: a plain page then stands in.
    """
    if not wanted:
        yield
        return
    builder = subprocess.Popen([sys.executable, str(ROOT / "graphiql" / "explorer" / "build.py")], cwd=ROOT)
    try:
        yield
    except BaseException:
        builder.terminate()
        raise
    finally:
        builder.wait()


@contextlib.contextmanager
def only_one_at_a_time(path: Path) -> Iterator[None]:
    """Holds a lock that the system gives back even when we are killed; a second start waits here and says so."""
    try:
        file = path.open("w")
    except OSError as problem:
        raise SetUpError(
            f"the folder {path.parent} cannot be written ({problem.strerror}), and the set-up needs it. "
            "Copy the project to a folder of your own, or change its permissions."
        ) from problem
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is setting up this folder; waiting for it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_step(command: list[str], failure: str) -> None:
    """Runs one step silently; when it fails, says why in a sentence and shows the end of what it printed."""
    done = subprocess.run(command, env=os.environ | PATIENCE, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    said = (done.stdout + done.stderr).strip()
    if SIGNS_OF_NO_NETWORK.search(said):
        raise SetUpError(
            "the Python package registry cannot be reached. The first start needs the network (later ones do not): "
            "check the connection, or the proxy settings (HTTPS_PROXY, PIP_INDEX_URL, UV_DEFAULT_INDEX), and run again."
        )
    end = "\n".join(said.splitlines()[-12:])
    raise SetUpError(f"{failure}. What the step said:\n{end}")


def say(line: str) -> None:
    print(line, flush=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
