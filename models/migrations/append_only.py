"""Triggers that make a table's rows stay as they were written. Triggers only refuse; they never compute.

A text that a person wrote may be erased together with the person: then, and only then, it becomes `[erased]`.
"""

import sqlalchemy as sa
from alembic import op

ERASED = "[erased]"

ON_SQLITE = """
CREATE TRIGGER {table}_refuses_{act} BEFORE {act} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: add a row that corrects it'); END
"""
ON_SQLITE_OF = """
CREATE TRIGGER {table}_refuses_{name} BEFORE UPDATE OF {columns} ON {table} {when}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: add a row that corrects it'); END
"""
FUNCTION_ON_POSTGRESQL = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only: add a row that corrects it', TG_TABLE_NAME; END $$
"""
ON_POSTGRESQL = """
CREATE TRIGGER {table}_refuses_change BEFORE {acts} OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
ON_POSTGRESQL_OF = """
CREATE TRIGGER {table}_refuses_{name} BEFORE UPDATE OF {columns} ON {table}
FOR EACH ROW {when} EXECUTE FUNCTION refuse_change()
"""


def prepare() -> None:
    """Once, before the first table is made append-only."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FUNCTION_ON_POSTGRESQL)


def make_append_only(table: str) -> None:
    """From now on the database itself refuses to change or delete a row of this table."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(ON_POSTGRESQL.format(table=table, acts="UPDATE OR DELETE"))
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(ON_SQLITE.format(table=table, act=act))


def make_append_only_but_erasable(table: str, text: str) -> None:
    """The same, but for one column: its text may be erased, and not be changed into anything else."""
    kept = ", ".join(c["name"] for c in sa.inspect(op.get_bind()).get_columns(table) if c["name"] != text)
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    trigger = ON_POSTGRESQL_OF if on_postgresql else ON_SQLITE_OF
    when = f"WHEN (NEW.{text} IS NULL OR NEW.{text} <> '{ERASED}')"
    op.execute(trigger.format(table=table, name="change", columns=kept, when=""))
    op.execute(trigger.format(table=table, name="rewording", columns=text, when=when))
    _refuse_deletion(table)


def make_append_only_but_counting(table: str, column: str) -> None:
    """The same, but for one column, a number: it may grow, and never shrink."""
    kept = ", ".join(c["name"] for c in sa.inspect(op.get_bind()).get_columns(table) if c["name"] != column)
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    trigger = ON_POSTGRESQL_OF if on_postgresql else ON_SQLITE_OF
    op.execute(trigger.format(table=table, name="change", columns=kept, when=""))
    shrinks = f"WHEN (NEW.{column} < OLD.{column})"
    op.execute(trigger.format(table=table, name="shrinking", columns=column, when=shrinks))
    _refuse_deletion(table)


def _refuse_deletion(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(ON_POSTGRESQL.format(table=table, acts="DELETE").replace("refuses_change", "refuses_delete", 1))
    else:
        op.execute(ON_SQLITE.format(table=table, act="DELETE"))


def unmake_append_only(table: str) -> None:
    """Takes back `make_append_only`, for a migration that puts another rule in its place."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP TRIGGER {table}_refuses_change ON {table}")
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(f"DROP TRIGGER {table}_refuses_{act}")
