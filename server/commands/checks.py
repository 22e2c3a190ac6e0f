"""`test`: everything that must be green, in one command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated

import typer

from server.settings import ROOT

PYTHON = sys.executable
CHECKS = {
    "style (ruff check)": [PYTHON, "-m", "ruff", "check", "--quiet"],
    "format (ruff format)": [PYTHON, "-m", "ruff", "format", "--check", "--quiet"],
    "layers (import-linter)": [PYTHON, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
    "types (mypy)": [PYTHON, "-m", "mypy", "--no-error-summary"],
}
TEST_WORKERS = 3
NO_TEST_RAN = 5


def check(
    context: typer.Context,
    thorough: Annotated[
        bool, typer.Option(help="Many more examples in the property tests, and PostgreSQL everywhere; far slower.")
    ] = False,
) -> None:
    """Check everything: style, types, layers and all tests, on SQLite and on a PostgreSQL that it starts itself.

    What stands after -- goes to pytest.

    Example: python3 -m server test -- tests/test_platform.py -k forty
    """
    sys.exit(check_everything(context.args, thorough=thorough))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one check ended, and after how long."""

    name: str
    passed: bool
    said: str
    seconds: float


def check_everything(pytest_arguments: list[str], *, thorough: bool) -> int:
    """The exit code: 0 when the tests and every check passed. The tests' output streams, the checks' follows it."""
    print(f"Checking {', '.join(CHECKS)} beside the tests, which run on SQLite and PostgreSQL …", flush=True)
    with ThreadPoolExecutor(max_workers=1) as beside:
        running = [beside.submit(_run, name, command) for name, command in CHECKS.items()]
        passed = [_run_tests(pytest_arguments, thorough=thorough), *(_report(check) for check in running)]
    print("All green." if all(passed) else "Not green: see above.", flush=True)
    return 0 if all(passed) else 1


def _run_tests(arguments: list[str], *, thorough: bool) -> bool:
    command = [PYTHON, "-m", "pytest", f"--numprocesses={TEST_WORKERS}", "--dist=worksteal", "--quiet"]
    command += ["--hypothesis-profile=thorough"] if thorough else []
    # What is compiled is kept, whatever the shell says: many tests start programs of ours.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    code = subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=False).returncode
    if code == NO_TEST_RAN:
        print("No test ran: nothing matches what was asked for.")
    return code == 0


def _run(name: str, command: list[str]) -> Outcome:
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    return Outcome(name=name, passed=done.returncode == 0, said=said, seconds=time.monotonic() - began)


def _report(check: Future[Outcome]) -> bool:
    outcome = check.result()
    print(f"{outcome.name}: {'passed' if outcome.passed else 'FAILED'} ({outcome.seconds:.0f} s)", flush=True)
    if not outcome.passed:
        print(outcome.said, flush=True)
    return outcome.passed
