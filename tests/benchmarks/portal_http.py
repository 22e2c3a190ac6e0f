"""How quickly the questions of a portal are answered over HTTP: by us, by others, and at the limit of what Python can.

List: one team's 400 learners active in a range, six fields each and their windows, in four pages. Nested: of 20 teams
the first 50 learners with their windows. Point: one learner. Counts: how many were active at a cutoff, of 50 teams.
Everybody has the same documents, the same data and one process, and must give the same JSON before anything is timed.
Ours authenticates each request, limits and costs its document, and writes its log; nobody else does.

Rounds are interleaved: in each everybody is asked in turn, over one connection that stays open, one question after the
other. A ratio is the median of the rounds' ratios. Answers a second come from eight connections.

    python -m tests.benchmarks.portal_http [--rounds 5] [--only ours,limit] [--questions List]
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import platform
import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import select, text

from models.access import Role
from models.learners import Profile
from resolvers.principal import Principal
from resolvers.tokens import issue_token
from server.database import Database
from server.settings import LOCAL_FOLDER
from tests.benchmarks.measured import Goal, Measured, Setting
from tests.benchmarks.portal_data import Portal, filled
from tests.benchmarks.rivals.asking import Client, answers_a_second, seconds_each
from tests.benchmarks.rivals.contestants import Contestant, Serving, contestants, serving
from tests.benchmarks.rivals.installing import install
from tests.benchmarks.rivals.questions import LEARNER, PAGES, Question, cursor_question, questions

LEARNERS, QUICK_LEARNERS = 20_000, 2_000
CONNECTIONS = 8
WARM_UP = 5
OURS = "ours"
console = Console()


@dataclass(frozen=True, slots=True)
class Against:
    """A goal that holds one question's answer by us against somebody else's."""

    goal: Goal
    question: str
    rival: str


def _quicker(question: str, rival: str, shown: str, ratio: float) -> Against:
    says = f"{question} over HTTP: {shown} takes so many times as long as we do"
    return Against(Goal(f"{question} against {rival}", says, "at least", ratio), question, rival)


def _nearly(question: str, rival: str, shown: str, ratio: float) -> Against:
    says = f"{question} over HTTP: we take so many times as long as {shown}"
    return Against(Goal(f"{question} against {rival}", says, "at most", ratio), question, rival)


GOALS = (
    _quicker("List", "strawberry", "idiomatic Strawberry (ORM, dataloaders)", 30),
    _nearly("List", "limit", "one SQL statement with JSON by hand", 1.3),
    _nearly("Nested", "limit", "one SQL statement with JSON by hand", 1.3),
    _quicker("List", "mercurius", "mercurius with its JIT", 2),
    _nearly("Point", "bare", "a bare route with our authentication and statement", 1.5),
)


@dataclass
class Figures:
    """Of one contestant and one question: seconds an answer took in each round, and what it took of the processor."""

    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    a_second: float = 0.0

    @property
    def ms(self) -> float:
        return statistics.median(self.seconds) * 1_000

    @property
    def processor_ms(self) -> float:
        return statistics.mean(self.processor_seconds) * 1_000


@dataclass(frozen=True, slots=True)
class Outcome:
    shown: dict[str, str]
    figures: dict[str, dict[str, Figures]]
    learners: int

    def ratio(self, question: str, slower: str, quicker: str) -> float | None:
        """How many times as long one takes as another, in the rounds that both were in."""
        of = self.figures[question]
        if slower not in of or quicker not in of:
            return None
        pairs = zip(of[slower].seconds, of[quicker].seconds, strict=True)
        return statistics.median(one / other for one, other in pairs)

    def measured(self) -> list[Measured]:
        found = []
        for against in (one for one in GOALS if one.question in self.figures):
            pair = (against.rival, OURS) if against.goal.must_be == "at least" else (OURS, against.rival)
            ratio = self.ratio(against.question, *pair)
            if ratio is not None:
                found.append(Measured(goal=against.goal, kind="sqlite", ratio=ratio, beside=self._beside(against)))
        return found

    def _beside(self, against: Against) -> tuple[tuple[str, str], ...]:
        of = self.figures[against.question]
        return tuple(
            (key, f"{of[key].ms:.2f} ms, {of[key].processor_ms:.2f} of a core") for key in (OURS, against.rival)
        )


# ---------------------------------------------------------------------------------------------- the data


@dataclass(frozen=True, slots=True)
class Stage:
    """The data in a file, and whom it is asked as."""

    portal: Portal
    token: str
    asked: dict[str, Question]
    file: Path


async def stage(folder: Path, learners: int) -> Stage:
    """The rivals read this file and nobody writes to it: nothing waits in a journal beside it."""
    file = folder / f"portal_{learners}.db"
    portal = await filled(f"sqlite+aiosqlite:///{file}", learners)
    database = Database.open(portal.url)
    now = dt.datetime.now(dt.UTC)
    principal = Principal(name="Benchmark", role=Role.STAFF)
    token = (await database.run(lambda session: issue_token(session, now, principal))).secret
    of_big = select(Profile.learner_id).where(Profile.organization_id == portal.big.id).order_by(Profile.learner_id)
    async with database.reading() as connection:
        learner_id = (await connection.execute(of_big.offset(LEARNER).limit(1))).scalar_one()
    async with database.writing() as session:
        await session.execute(text("ANALYZE"))
    await database.close()
    return Stage(portal, token, questions(portal, learner_id), file)


def copies(them: Sequence[Contestant], file: Path, folder: Path) -> dict[str, Path]:
    """A file for each that may write, and one for all the others."""
    return {
        one.key: Path(shutil.copy(file, folder / f"{one.key}.db")) if one.writes else file for one in them
    }  # fmt: skip


def with_cursors(question: Question, client: Client) -> Question:
    """The list's question with the cursors of its pages, as somebody who pages has them."""
    after, cursors = None, {}
    for page in range(2, PAGES + 1):
        answer = orjson.loads(client.answer(client.request(cursor_question(question, after).body())))
        after = answer["data"]["node"]["learners"]["pageInfo"]["endCursor"]
        cursors[f"after{page}"] = after
    return question.given(**cursors)


# ------------------------------------------------------------------------------------------------ asking


class Match:
    """Everybody at their places. A connection is opened for each round: servers close those that are idle for long."""

    def __init__(self, them: Sequence[Serving], token: str, asked: dict[str, Question]) -> None:
        self._them = them
        self._token = token
        self._asked = asked
        self.figures: dict[str, dict[str, Figures]] = {name: {} for name in asked}

    @contextmanager
    def _connected(self, one: Serving) -> Iterator[Client]:
        with closing(Client(one.port, self._token)) as client:
            yield client

    def page(self) -> None:
        """Somebody who pages has the cursors; only ours gives any."""
        for one in self._them:
            if one.contestant.key == OURS and "List" in self._asked:
                with self._connected(one) as client:
                    self._asked = self._asked | {"List": with_cursors(self._asked["List"], client)}

    def of(self, question: str) -> list[Serving]:
        return [one for one in self._them if question in one.contestant.answers]

    def compare(self) -> None:
        """Refuses to go on unless all answers are the same."""
        for name, question in self._asked.items():
            answers = {one.contestant.key: self._answer(one, question) for one in self.of(name)}
            reference = answers.get(OURS, next(iter(answers.values())))
            different = [key for key, answer in answers.items() if answer != reference]
            if different or "errors" in reference:
                raise SystemExit(f"{name} is answered otherwise by {', '.join(different) or 'everybody'}.")

    def _answer(self, one: Serving, question: Question) -> dict[str, object]:
        with self._connected(one) as client:
            answer = orjson.loads(client.answer(client.request(question.body())))
        return {name: answer[name] for name in ("data", "errors") if name in answer}

    def warm_up(self) -> None:
        for name, question in self._asked.items():
            for one in self.of(name):
                with self._connected(one) as client:
                    seconds_each(client, question.body(), max(WARM_UP, _times(question, one) // 2))

    def round(self, name: str) -> None:
        question = self._asked[name]
        for one in self.of(name):
            times, before = _times(question, one), one.processor_seconds()
            with self._connected(one) as client:
                seconds = seconds_each(client, question.body(), times)
            figures = self.figures[name].setdefault(one.contestant.key, Figures())
            figures.seconds.append(seconds)
            figures.processor_seconds.append((one.processor_seconds() - before) / times)

    def crowd(self, name: str) -> None:
        question = self._asked[name]
        for one in self.of(name):
            times = max(2, _times(question, one) // CONNECTIONS)
            rate = answers_a_second(one.port, self._token, question.body(), CONNECTIONS, times)
            self.figures[name][one.contestant.key].a_second = rate


def _times(question: Question, one: Serving) -> int:
    return max(3, question.times // one.contestant.slow)


def play(the: Stage, them: Sequence[Contestant], rounds: int, folder: Path, learners: int) -> Outcome:
    with serving(them, copies(them, the.file, folder), folder) as at_their_places:
        match = Match(at_their_places, the.token, the.asked)
        match.page()
        match.compare()
        match.warm_up()
        for name in the.asked:
            for number in range(rounds):
                match.round(name)
                console.print(f"{name}: round {number + 1} of {rounds}")
            match.crowd(name)
    return Outcome({one.key: one.shown for one in them}, match.figures, learners)


async def measure(setting: Setting) -> list[Measured]:
    """For the one command that runs all goals; SQLite alone, as the rivals know nothing else."""
    learners = QUICK_LEARNERS if setting.quick else LEARNERS
    outcome = play(
        await stage(setting.folder, learners), contestants(install()), setting.rounds, setting.folder, learners
    )
    show(outcome)
    if not setting.quick:
        keep(outcome, RESULTS)
    return outcome.measured()


# ---------------------------------------------------------------------------------------------- the report

RESULTS = LOCAL_FOLDER / "portal_http.json"


def keep(outcome: Outcome, path: Path) -> None:
    """What the README's table and picture are made of."""
    kept = {
        name: {
            key: {"ms": one.ms, "processor_ms": one.processor_ms, "a_second": one.a_second} for key, one in of.items()
        }
        for name, of in outcome.figures.items()
    }
    told = {"shown": outcome.shown, "learners": outcome.learners, "figures": kept}
    told |= {"date": dt.datetime.now(dt.UTC).date(), "machine": machine()}
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))


def machine() -> str:
    """What figures without it say nothing of."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), processor)
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{processor}, {os.cpu_count()} cores, {versions}"


def show(outcome: Outcome) -> None:
    for name, of in outcome.figures.items():
        columns = (
            "",
            "ms an answer",
            "times ours",
            "ms of a core",
            f"answers/s, {CONNECTIONS} connections",
            "all rounds, ms",
        )
        table = Table(*columns, title=f"{name}, {outcome.learners:,} learners")
        for key, one in of.items():
            times = outcome.ratio(name, key, OURS)
            rounds = " ".join(f"{seconds * 1_000:.1f}" for seconds in one.seconds)
            shown = (f"{one.ms:.2f}", "" if times is None else f"{times:.2f}", f"{one.processor_ms:.2f}")
            table.add_row(outcome.shown[key], *shown, f"{one.a_second:,.0f}", rounds)
        console.print(table)
    for goal in outcome.measured():
        console.print(
            f"{'met   ' if goal.met else 'MISSED'} {goal.goal.says}: {goal.ratio:.2f} (goal {goal.goal.bound})"
        )


async def main(arguments: argparse.Namespace) -> None:
    them = contestants(install())
    if arguments.only:
        them = [one for one in them if one.key in arguments.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="countersign-benchmark-") as made:
        folder = Path(arguments.folder or made)
        the = await stage(folder, arguments.learners)
        if arguments.questions:
            the = replace(the, asked={name: the.asked[name] for name in arguments.questions.split(",")})
        outcome = play(the, them, arguments.rounds, Path(made), arguments.learners)
    show(outcome)
    if arguments.results:
        keep(outcome, arguments.results)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", help="the keys of those who are measured, as ours,limit")
    options.add_argument("--questions", help="those that are asked, as List,Point")
    options.add_argument("--learners", type=int, default=LEARNERS)
    options.add_argument("--folder", help="where the data is kept for the next time")
    options.add_argument("--results", type=Path, help="a file to write the figures to")
    asyncio.run(main(options.parse_args()))
