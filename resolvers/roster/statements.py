"""The statements of a fold, each for all lines of one organization at once.

Their parameters: tenant (the organization) and run (the import) say which lines; act_at is when the act is recorded;
learners and facts from the keys first_learner and first_fact on are new. None has the name of a column, since
SQLAlchemy keeps these for the values of an UPDATE.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    FromClause,
    Insert,
    Select,
    String,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningDelete

from models.base import Instant
from models.history import Belief, Quality
from models.interval import BEGINNING, FOREVER
from models.learners import Learner, Profile
from models.organizations import Scope, ScopeKind
from models.roster import MatchedLine, RosterLine, RosterRefusal, StagedLine

Part = Literal["activity", "membership"]

ORGANIZATION: BindParameter[int] = bindparam("tenant", type_=BigInteger)
IMPORT: BindParameter[int] = bindparam("run", type_=BigInteger)
RECORDED_AT = bindparam("act_at", type_=Instant)
FIRST_LEARNER: BindParameter[int] = bindparam("first_learner", type_=BigInteger)
FIRST_FACT: BindParameter[int] = bindparam("first_fact", type_=BigInteger)
STAGED = StagedLine.__table__
MATCHED = MatchedLine.__table__
LINE = RosterLine.__table__
SCOPE = Scope.__table__
PROFILE = Profile.__table__
BELIEF = Belief.__table__
REFUSAL = RosterRefusal.__table__
IDENTITY = ("learner_id", "team_id", "from_at")
SAID = ("name", "email", "department")
BELIEF_COLUMNS = [
    *("organization_id", "fact_id", "recorded_at", "learner_id", "scope_id"),
    *("from_earliest", "from_latest", "to_earliest", "to_latest", "quality", "holds"),
]


def of_the_import(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.organization_id == ORGANIZATION, table.c.import_id == IMPORT)


@cache
def unknown_teams() -> Select[Any]:
    names = select(STAGED.c.team).where(of_the_import(STAGED)).distinct().subquery("named")
    known = exists().where(
        SCOPE.c.organization_id == ORGANIZATION, SCOPE.c.kind == ScopeKind.TEAM, SCOPE.c.name == names.c.team
    )
    return select(names.c.team).where(~known).order_by(names.c.team)


@cache
def insert_scopes() -> Insert:
    return insert(SCOPE)


# ------------------------------------------------------------------------------------------- matching


@cache
def match_lines() -> Insert:
    """Each staged line with its team, its learner (new ones get keys in the order of their external ids), what its
    identity said before, and its facts. Written in the order of the key, and so is all that is read from it.
    """
    found = _with_learners().subquery("found")
    before = LINE.alias("before")
    place = func.row_number().over(order_by=[found.c[name] for name in (*IDENTITY, "line")])
    # The second part of a pair stands beside the first, so that both are written in the order of their keys.
    fact = FIRST_FACT + 2 * (place - 1)
    rows = (
        select(
            ORGANIZATION,
            IMPORT,
            *(found.c[name] for name in (*IDENTITY, "line", "from_latest", "to_at")),
            before.c.to_at,
            func.coalesce(before.c.activity_fact_id, fact),
            func.coalesce(before.c.membership_fact_id, fact + 1),
            found.c.tells,
        )
        .select_from(found)
        .outerjoin(
            before,
            and_(
                before.c.organization_id == ORGANIZATION,
                before.c.learner_id == found.c.known_learner,
                before.c.team_id == found.c.team_id,
                before.c.from_at == found.c.from_at,
            ),
        )
        .order_by(*(found.c[name] for name in (*IDENTITY, "line")))
    )
    columns = ["organization_id", "import_id", *IDENTITY, "line", "from_latest", "to_at", "known_to"]
    return insert(MATCHED).from_select([*columns, "activity_fact_id", "membership_fact_id", "tells"], rows)


def _with_learners() -> Select[Any]:
    profile = PROFILE.alias("known")
    nobody = profile.c.learner_id.is_(None)
    number = func.dense_rank().over(partition_by=case((nobody, 1), else_=0), order_by=STAGED.c.external_id)
    team = and_(SCOPE.c.organization_id == ORGANIZATION, SCOPE.c.kind == ScopeKind.TEAM, SCOPE.c.name == STAGED.c.team)
    person = and_(profile.c.organization_id == ORGANIZATION, profile.c.external_id == STAGED.c.external_id)
    return (
        select(
            func.coalesce(profile.c.learner_id, FIRST_LEARNER - 1 + number).label("learner_id"),
            profile.c.learner_id.label("known_learner"),
            SCOPE.c.id.label("team_id"),
            STAGED.c.from_earliest.label("from_at"),
            STAGED.c.line,
            STAGED.c.from_latest,
            STAGED.c.to_at,
            and_(~nobody, or_(*(_otherwise(profile, name) for name in SAID))).label("tells"),
        )
        .select_from(STAGED)
        .join(SCOPE, team)
        .outerjoin(profile, person)
        .where(of_the_import(STAGED))
    )


def _otherwise(profile: FromClause, name: str) -> ColumnElement[bool]:
    """An empty cell says nothing."""
    return and_(STAGED.c[name] != "", STAGED.c[name] != profile.c[name])


@cache
def any_identity_twice() -> Select[Any]:
    return (
        select(MATCHED.c.learner_id)
        .where(of_the_import(MATCHED))
        .group_by(*(MATCHED.c[name] for name in IDENTITY))
        .having(func.count() > 1)
        .limit(1)
    )


def _first_of_each() -> Any:
    """Of each identity that comes more than once, the first line and how many."""
    return (
        select(*(MATCHED.c[name] for name in IDENTITY), func.min(MATCHED.c.line).label("line"))
        .where(of_the_import(MATCHED))
        .group_by(*(MATCHED.c[name] for name in IDENTITY))
        .having(func.count() > 1)
        .subquery("first_line")
    )


@cache
def refuse_contradictions() -> Insert:
    first_line, first = _first_of_each(), MATCHED.alias("first_one")
    rows = select(
        IMPORT,
        MATCHED.c.line,
        literal("deactivated_on"),
        literal("The same team, learner and start stand in line ")
        + cast(first_line.c.line, String)
        + literal(", with another end."),
        literal("Keep the line that is right."),
    ).where(
        of_the_import(MATCHED),
        of_the_import(first),
        *(MATCHED.c[name] == first_line.c[name] for name in IDENTITY),
        *(first.c[name] == first_line.c[name] for name in (*IDENTITY, "line")),
        MATCHED.c.to_at != first.c.to_at,
    )
    return (
        insert(REFUSAL).from_select(["import_id", "line", "column", "problem", "mend"], rows).returning(REFUSAL.c.line)
    )


@cache
def drop_later_copies() -> ReturningDelete[int]:
    earlier = MATCHED.alias("earlier")
    is_later = exists().where(
        of_the_import(earlier),
        *(earlier.c[name] == MATCHED.c[name] for name in IDENTITY),
        earlier.c.line < MATCHED.c.line,
    )
    return delete(MATCHED).where(of_the_import(MATCHED), is_later).returning(MATCHED.c.line)


@cache
def count_matched() -> Select[Any]:
    """How many lines are new (and how many of these of a known learner), say another end, or say the same."""
    is_new = MATCHED.c.known_to.is_(None)
    counts = {
        "new": is_new,
        "new_of_known": and_(is_new, MATCHED.c.learner_id < FIRST_LEARNER),
        "corrected": MATCHED.c.known_to != MATCHED.c.to_at,
        "same": MATCHED.c.known_to == MATCHED.c.to_at,
    }
    columns = [func.coalesce(func.sum(case((test, 1), else_=0)), 0).label(name) for name, test in counts.items()]
    return select(*columns).where(of_the_import(MATCHED))


# ---------------------------------------------------------------------------------------------- people


@cache
def insert_learners() -> Insert:
    # Grouped along the key: SQLite would keep a table of its own of all that are distinct.
    new = (
        select(ORGANIZATION, MATCHED.c.learner_id)
        .where(of_the_import(MATCHED), MATCHED.c.learner_id >= FIRST_LEARNER)
        .group_by(MATCHED.c.learner_id)
    )
    return insert(Learner.__table__).from_select(["organization_id", "id"], new)


@cache
def insert_profiles() -> Insert:
    """From the last line of each new learner; a cell that is empty there from the last line where it is not. Found
    along the key, so that nothing is sorted.
    """
    last, later = MATCHED.alias("last_line"), MATCHED.alias("later")
    is_last = ~exists().where(of_the_import(later), later.c.learner_id == last.c.learner_id, later.c.line > last.c.line)
    said = [*SAID, *(f"{name}_key" for name in SAID)]
    cells = [_last_said(name, last.c.learner_id) for name in said]
    rows = (
        select(ORGANIZATION, last.c.learner_id, STAGED.c.external_id, *cells)
        .select_from(last)
        .join(STAGED, and_(of_the_import(STAGED), STAGED.c.line == last.c.line))
        .where(of_the_import(last), last.c.learner_id >= FIRST_LEARNER, is_last)
        .order_by(last.c.learner_id)
    )
    return insert(PROFILE).from_select(["organization_id", "learner_id", "external_id", *said], rows)


def _last_said(name: str, learner_id: ColumnElement[int]) -> ColumnElement[str]:
    return case((STAGED.c[name] != "", STAGED.c[name]), else_=func.coalesce(_said(name, learner_id), ""))


def _said(name: str, learner_id: ColumnElement[int]) -> Any:
    """What the last line of a learner in which this cell is not empty says there; NULL if none does."""
    lines, staged = MATCHED.alias("told"), STAGED.alias("telling")
    return (
        select(staged.c[name])
        .select_from(lines)
        .join(staged, and_(of_the_import(staged), staged.c.line == lines.c.line))
        .where(of_the_import(lines), lines.c.learner_id == learner_id, staged.c[name] != "")
        .order_by(lines.c.line.desc())
        .limit(1)
        .scalar_subquery()
    )


@cache
def anybody_told_otherwise() -> Select[Any]:
    return select(MATCHED.c.line).where(of_the_import(MATCHED), MATCHED.c.tells).limit(1)


@cache
def update_profiles() -> Update:
    told = select(MATCHED.c.learner_id).where(of_the_import(MATCHED), MATCHED.c.tells)
    columns = [PROFILE.c[name] for said in SAID for name in (said, f"{said}_key")]
    return (
        update(PROFILE)
        .where(PROFILE.c.organization_id == ORGANIZATION, PROFILE.c.learner_id.in_(told))
        .values({column: func.coalesce(_said(column.name, PROFILE.c.learner_id), column) for column in columns})
    )


# ----------------------------------------------------------------------------------------------- facts


def last_belief(belief: FromClause) -> ColumnElement[bool]:
    later = BELIEF.alias("later")
    return ~exists().where(
        later.c.organization_id == ORGANIZATION,
        later.c.fact_id == belief.c.fact_id,
        later.c.recorded_at > belief.c.recorded_at,
    )


def _fact_made_by_hand(scope_id: ColumnElement[int]) -> Any:
    """A live exact fact of the line's learner, in a scope and from the line's start, that no roster line made."""
    owner = LINE.alias("owner")
    owned = exists().where(
        owner.c.organization_id == ORGANIZATION,
        owner.c.learner_id == MATCHED.c.learner_id,
        or_(owner.c.activity_fact_id == BELIEF.c.fact_id, owner.c.membership_fact_id == BELIEF.c.fact_id),
    )
    return (
        select(func.min(BELIEF.c.fact_id))
        .where(
            BELIEF.c.organization_id == ORGANIZATION,
            BELIEF.c.learner_id == MATCHED.c.learner_id,
            BELIEF.c.scope_id == scope_id,
            BELIEF.c.from_earliest == MATCHED.c.from_at,
            BELIEF.c.quality == Quality.EXACT,
            BELIEF.c.holds,
            last_belief(BELIEF),
            ~owned,
        )
        .scalar_subquery()
    )


def _new_of_known() -> ColumnElement[bool]:
    return and_(of_the_import(MATCHED), MATCHED.c.known_to.is_(None), MATCHED.c.learner_id < FIRST_LEARNER)


@cache
def adopt_memberships() -> Update:
    """A membership that a mutation made already is the new line's own: no second fact of the same."""
    found = func.coalesce(_fact_made_by_hand(MATCHED.c.team_id), MATCHED.c.membership_fact_id)
    return update(MATCHED).where(_new_of_known()).values(membership_fact_id=found)


@cache
def adopt_activities() -> Update:
    """Likewise for activity; of several lines with one start the first team's adopts it."""
    other = MATCHED.alias("other")
    is_first = ~exists().where(
        of_the_import(other),
        other.c.learner_id == MATCHED.c.learner_id,
        other.c.from_at == MATCHED.c.from_at,
        other.c.known_to.is_(None),
        other.c.team_id < MATCHED.c.team_id,
    )
    found = func.coalesce(_fact_made_by_hand(ORGANIZATION), MATCHED.c.activity_fact_id)
    return update(MATCHED).where(_new_of_known(), is_first).values(activity_fact_id=found)


@cache
def believe_new_facts() -> Insert:
    """Both facts of each new line."""
    parts = union_all(*(_new_facts(part) for part in ("activity", "membership")))
    return insert(BELIEF).from_select(BELIEF_COLUMNS, parts)


def _new_facts(part: Part) -> Select[Any]:
    fact_id, scope_id = _fact(part)
    return select(
        ORGANIZATION,
        fact_id,
        RECORDED_AT,
        MATCHED.c.learner_id,
        scope_id,
        MATCHED.c.from_at,
        MATCHED.c.from_latest,
        MATCHED.c.to_at,
        MATCHED.c.to_at,
        quality_of(MATCHED.c.from_at, MATCHED.c.from_latest),
        true(),
    ).where(of_the_import(MATCHED), fact_id >= FIRST_FACT)


def _fact(part: Part) -> tuple[ColumnElement[int], ColumnElement[int]]:
    if part == "activity":
        return MATCHED.c.activity_fact_id, ORGANIZATION
    return MATCHED.c.membership_fact_id, MATCHED.c.team_id


def quality_of(from_earliest: ColumnElement[Any], from_latest: ColumnElement[Any]) -> ColumnElement[Any]:
    """As `models.history.quality_of` says of bounds with one end."""
    return case(
        (from_earliest == from_latest, literal(Quality.EXACT, BELIEF.c.quality.type)),
        (from_earliest == BEGINNING, literal(Quality.LOST, BELIEF.c.quality.type)),
        else_=literal(Quality.BOUNDED, BELIEF.c.quality.type),
    )


@cache
def believe_otherwise(part: Part) -> Insert:
    """A line that says another end, or adopted a fact, corrects it where that is held otherwise.

    Only the end is news. A start that was corrected by hand stays, unless the new end leaves no room for it.
    """
    said = _said_otherwise(part).subquery("said")
    rows = select(
        ORGANIZATION,
        said.c.fact_id,
        RECORDED_AT,
        said.c.learner_id,
        said.c.scope_id,
        said.c.from_earliest,
        said.c.from_latest,
        said.c.to_at,
        said.c.to_at,
        quality_of(said.c.from_earliest, said.c.from_latest),
        true(),
    )
    return insert(BELIEF).from_select(BELIEF_COLUMNS, rows)


def _said_otherwise(part: Part) -> Select[Any]:
    fact_id, scope_id = _fact(part)
    held = BELIEF.alias("held")
    keeps_start = and_(held.c.holds, held.c.from_earliest < MATCHED.c.to_at, held.c.from_earliest != MATCHED.c.from_at)
    return (
        select(
            fact_id.label("fact_id"),
            MATCHED.c.learner_id,
            scope_id.label("scope_id"),
            case((keeps_start, held.c.from_earliest), else_=MATCHED.c.from_at).label("from_earliest"),
            case(
                (keeps_start, earlier_one(held.c.from_latest, before_it(MATCHED.c.to_at))),
                (_was_active_once(held), earlier_one(held.c.from_latest, MATCHED.c.from_latest)),
                else_=MATCHED.c.from_latest,
            ).label("from_latest"),
            MATCHED.c.to_at,
        )
        .select_from(MATCHED)
        .join(held, and_(held.c.organization_id == ORGANIZATION, held.c.fact_id == fact_id, last_belief(held)))
        .where(
            of_the_import(MATCHED),
            # Plus nothing: else SQLite bounds the beliefs' key by it too, and reads all of them for every line.
            (fact_id + 0) < FIRST_FACT,
            or_(MATCHED.c.known_to.is_(None), MATCHED.c.known_to != MATCHED.c.to_at),
            or_(held.c.holds == false(), held.c.to_earliest != MATCHED.c.to_at, held.c.to_latest != MATCHED.c.to_at),
        )
    )


def _was_active_once(held: FromClause) -> ColumnElement[bool]:
    """Its start was lost and it was active when last imported: it had begun by then, whatever its end."""
    return and_(held.c.holds, held.c.from_earliest == BEGINNING, MATCHED.c.known_to == FOREVER)


def before_it(instant: ColumnElement[Any]) -> ColumnElement[Any]:
    return type_coerce(type_coerce(instant, BigInteger) - 1, Instant)


def earlier_one(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    """LEAST and SQLite's MIN of two are not one spelling."""
    return case((one < other, one), else_=other)


@cache
def insert_roster_lines() -> Insert:
    columns = ["organization_id", *IDENTITY, "to_at", "activity_fact_id", "membership_fact_id"]
    rows = select(*(MATCHED.c[name] for name in columns)).where(of_the_import(MATCHED), MATCHED.c.known_to.is_(None))
    return insert(LINE).from_select(columns, rows)


@cache
def correct_roster_lines() -> Update:
    return (
        update(LINE)
        .where(
            LINE.c.organization_id == ORGANIZATION,
            of_the_import(MATCHED),
            *(LINE.c[name] == MATCHED.c[name] for name in IDENTITY),
            MATCHED.c.known_to != MATCHED.c.to_at,
        )
        .values(to_at=MATCHED.c.to_at)
    )
