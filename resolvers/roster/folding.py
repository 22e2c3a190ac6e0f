"""The second half of an import: one organization's staged lines become history, in one transaction.

    staged lines -> matched with team, learner and what the row said before -> new facts, or corrected ones -> windows

Every step is one statement for all lines, the same for a batch of ten and a file of a million. The staged lines are
removed in the same transaction, so a fold happens once however often an import is killed.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.batches import as_parameter, asked
from models.history import Source
from models.learners import sort_key
from models.organizations import Organization, OrganizationClock, Scope, ScopeKind
from models.roster import MatchedLine, RosterImport, StagedCertification, StagedLine
from resolvers.erasure.recognising import ErasedPeople, erased_people
from resolvers.recording import Recording, add_act, begin_recording, end_recording
from resolvers.roster.certifying import Certified, any_named, record_certifications
from resolvers.roster.deriving import derive_folded
from resolvers.roster.lines import Refusal
from resolvers.roster.staging import ImportRun, report
from resolvers.roster.statements import facts, matching, people

STAGED = StagedLine.__table__
MATCHED = MatchedLine.__table__
CERTIFIED = StagedCertification.__table__
# Fewer lines than this are not worth telling PostgreSQL's planner about.
LINES_WORTH_ANALYZING = 2_000


@dataclass(frozen=True, slots=True)
class Folded:
    """What became of an organization's lines."""

    rows_landed: int = 0
    rows_unchanged: int = 0
    rows_refused: int = 0


@dataclass(frozen=True, slots=True)
class Fold:
    """A fold under way: the act, and the keys that it gives to what it adds."""

    recording: Recording
    run: ImportRun
    lines: int
    """How many are staged."""
    first_learner: int
    """Learners from this key on are new."""
    first_fact: int
    """Facts from this key on are new."""

    @property
    def parameters(self) -> dict[str, object]:
        return {
            "tenant": self.recording.organization_id,
            "run": self.run.id,
            "act_at": self.recording.recorded_at,
            "first_learner": self.first_learner,
            "first_fact": self.first_fact,
        }


async def next_to_fold(session: AsyncSession, import_id: int, after: int = 0) -> int | None:
    """The next organization of which lines are staged."""
    has_lines = (
        select(STAGED.c.line)
        .where(STAGED.c.organization_id == Organization.id, STAGED.c.import_id == import_id)
        .exists()
    )
    found = select(Organization.id).where(Organization.id > after, has_lines).order_by(Organization.id).limit(1)
    return await session.scalar(found)


async def fold(
    session: AsyncSession, now: dt.datetime, run: ImportRun, organization_id: int, *, keep_matched: bool = False
) -> Folded:
    """Records what an organization's staged lines say. Nothing is written, not even a time, if they say nothing new."""
    clock_before = await _clock(session, organization_id)
    begun = await _begin(session, now, run, organization_id)
    await _tell_the_planner(session, begun, "staged_line", "organization_id, import_id, line")
    erased = await _refuse_erased(begun)
    await _make_teams(begun)
    await session.execute(matching.match_lines(), begun.parameters)
    await _tell_the_planner(session, begun, "matched_line", "organization_id, import_id, learner_id")
    refused, repeated = await _refuse_contradictions(begun)
    await _write_people(begun)
    certified = await _write_certifications(begun)
    folded = await _write_facts(begun, certified, erased + refused, repeated)
    await _clear(begun, keep_matched)
    if folded.rows_landed or certified.names or await _has_new_teams(begun):
        await end_recording(begun.recording)
    else:
        await _put_back(session, organization_id, clock_before)
    await _count(session, run.id, folded)
    return folded


async def _tell_the_planner(session: AsyncSession, begun: Fold, table: str, columns: str) -> None:
    """PostgreSQL plans for the few rows that it remembers, until it is told how many there are now. That also makes it
    plan anew what was prepared while the tables were empty.
    """
    connection = await session.connection()
    if connection.dialect.name == "postgresql" and begun.lines >= LINES_WORTH_ANALYZING:
        await session.execute(text(f"ANALYZE {table} ({columns})"))


async def _clock(session: AsyncSession, organization_id: int) -> dt.datetime | None:
    clock = OrganizationClock.__table__
    return await session.scalar(select(clock.c.recorded_at).where(clock.c.organization_id == organization_id))


async def _put_back(session: AsyncSession, organization_id: int, before: dt.datetime | None) -> None:
    """Nothing was learned at the recorded time that was taken, so it was not taken."""
    clock = OrganizationClock.__table__
    await session.execute(update(clock).where(clock.c.organization_id == organization_id).values(recorded_at=before))


async def _begin(session: AsyncSession, now: dt.datetime, run: ImportRun, organization_id: int) -> Fold:
    """Takes the organization's lock, and keys for as many learners and facts as the lines can possibly make."""
    recording = await begin_recording(session, organization_id, now)
    of_the_import = (STAGED.c.organization_id == organization_id, STAGED.c.import_id == run.id)
    lines = await session.scalar(select(func.count()).where(*of_the_import)) or 0
    return Fold(recording, run, lines, recording.keys.take(lines), recording.keys.take(2 * lines))


async def _refuse_erased(begun: Fold) -> int:
    """Lines of people who were erased do not get further; asked here, under the lock that erasing takes too."""
    session, organization_id = begun.recording.session, begun.recording.organization_id
    people = await erased_people(session, organization_id)
    lines = await _lines_of(begun, people) if people else []
    if lines:
        await report(session, begun.run.id, [_erased(line) for line in lines])
        named = asked("lines", "line")
        of_the_run = (STAGED.c.organization_id == organization_id, STAGED.c.import_id == begun.run.id)
        await session.execute(
            delete(STAGED).where(*of_the_run, STAGED.c.line.in_(select(named.c.line))),
            {"lines": as_parameter((line,) for line in lines)},
        )
    return len(lines)


async def _lines_of(begun: Fold, people: ErasedPeople) -> list[int]:
    staged = select(STAGED.c.line, STAGED.c.external_id).where(
        STAGED.c.organization_id == begun.recording.organization_id, STAGED.c.import_id == begun.run.id
    )
    rows = await begun.recording.session.stream(staged.order_by(STAGED.c.line))
    return [row.line async for row in rows if people.hold(row.external_id)]


def _erased(line: int) -> Refusal:
    problem = "This person was erased, and nothing about them is recorded again."
    return Refusal(line, "external_id", problem, "Leave the row out; give a new external id if it is somebody else.")


async def _make_teams(begun: Fold) -> None:
    recording = begun.recording
    names = (await recording.session.execute(matching.unknown_teams(), begun.parameters)).scalars().all()
    if names:
        await recording.session.execute(matching.insert_scopes(), [_team(recording, name) for name in names])


def _team(recording: Recording, name: str) -> dict[str, object]:
    return {
        "organization_id": recording.organization_id,
        "id": recording.keys.take(),
        "kind": ScopeKind.TEAM,
        "name": name,
        "name_key": sort_key(name),
    }


async def _has_new_teams(begun: Fold) -> bool:
    """A team that was named only by refused lines is there all the same, and its key must stay taken."""
    found = await begun.recording.session.scalar(
        select(func.max(Scope.id)).where(
            Scope.organization_id == begun.recording.organization_id, Scope.kind == ScopeKind.TEAM
        )
    )
    return found is not None and found >= begun.first_fact


async def _refuse_contradictions(begun: Fold) -> tuple[int, int]:
    """Of lines with one identity the first counts: one with another end is refused, a repeated one is passed over.

    Returns how many were refused, and how many only repeat.
    """
    session, parameters = begun.recording.session, begun.parameters
    if await session.scalar(matching.any_identity_twice(), parameters) is None:
        return 0, 0
    refused = (await session.execute(matching.refuse_contradictions(), parameters)).all()
    dropped = (await session.execute(matching.drop_later_copies(), parameters)).all()
    return len(refused), len(dropped) - len(refused)


async def _write_people(begun: Fold) -> None:
    """New learners with their profiles, then what the lines say otherwise of those who were known."""
    session, parameters = begun.recording.session, begun.parameters
    await session.execute(people.insert_learners(), parameters)
    await session.execute(people.insert_profiles(), parameters)
    if await session.scalar(people.anybody_told_otherwise(), parameters) is not None:
        await session.execute(people.update_profiles(), parameters)


async def _write_certifications(begun: Fold) -> Certified:
    if not await any_named(begun.recording.session, begun.parameters):
        return Certified()
    await _tell_the_planner(begun.recording.session, begun, "staged_certification", "organization_id, import_id, line")
    return await record_certifications(begun.recording, begun.parameters)


async def _write_facts(begun: Fold, certified: Certified, refused: int, repeated: int) -> Folded:
    session, parameters = begun.recording.session, begun.parameters
    counts = (await session.execute(matching.count_matched(), parameters)).one()
    if counts.new or counts.corrected or certified.names:
        await add_act(begun.recording, begun.run.actor, Source.ROSTER, f"The roster {begun.run.name}")
    if counts.new or counts.corrected:
        await _record_facts(begun, counts.corrected, counts.new_of_known)
        await _derive(begun, counts.new)
    landed = counts.new + counts.corrected + certified.lines_else_the_same
    return Folded(landed, counts.same - certified.lines_else_the_same + repeated, refused)


async def _record_facts(begun: Fold, corrected: int, new_of_known: int) -> None:
    session, parameters = begun.recording.session, begun.parameters
    if new_of_known:
        await session.execute(facts.adopt_memberships(), parameters)
        await session.execute(facts.adopt_activities(), parameters)
    await session.execute(facts.believe_new_facts(), parameters)
    if corrected or new_of_known:
        await session.execute(facts.believe_otherwise("activity"), parameters)
        await session.execute(facts.believe_otherwise("membership"), parameters)
    if corrected:
        await session.execute(facts.correct_roster_lines(), parameters)
    await session.execute(facts.insert_roster_lines(), parameters)


async def _derive(begun: Fold, new_lines: int) -> None:
    await _tell_the_planner(begun.recording.session, begun, "belief", "organization_id, learner_id, fact_id")
    await derive_folded(begun.recording, begun.parameters, new_lines)


async def _clear(begun: Fold, keep_matched: bool) -> None:
    for table in (STAGED,) if keep_matched else (STAGED, MATCHED, CERTIFIED):
        await begun.recording.session.execute(
            delete(table).where(
                table.c.organization_id == begun.recording.organization_id, table.c.import_id == begun.run.id
            )
        )


async def _count(session: AsyncSession, import_id: int, folded: Folded) -> None:
    table = RosterImport.__table__
    await session.execute(
        update(table)
        .where(table.c.id == import_id)
        .values(
            rows_landed=table.c.rows_landed + folded.rows_landed,
            rows_unchanged=table.c.rows_unchanged + folded.rows_unchanged,
            rows_refused=table.c.rows_refused + folded.rows_refused,
        )
    )
