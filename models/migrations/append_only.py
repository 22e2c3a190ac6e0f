"""Triggers that make a table's rows stay as they were written. Triggers only refuse; they never compute."""

from alembic import op

ON_SQLITE = """
CREATE TRIGGER {table}_refuses_{act} BEFORE {act} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: add a row that corrects it'); END
"""
FUNCTION_ON_POSTGRESQL = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only: add a row that corrects it', TG_TABLE_NAME; END $$
"""
ON_POSTGRESQL = """
CREATE TRIGGER {table}_refuses_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def prepare() -> None:
    """Once, before the first table is made append-only."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FUNCTION_ON_POSTGRESQL)


def make_append_only(table: str) -> None:
    """From now on the database itself refuses to change or delete a row of this table."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(ON_POSTGRESQL.format(table=table))
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(ON_SQLITE.format(table=table, act=act))
