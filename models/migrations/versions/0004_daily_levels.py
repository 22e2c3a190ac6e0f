"""daily levels: how many are active in each scope, counted from the windows that are there"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# In microseconds since 1970: rounded up to whole quarters of an hour, counted from year 1; the last is no end at all.
COUNT = """
INSERT INTO activity_level (organization_id, scope_id, from_at, level)
SELECT organization_id, scope_id, quarter, sum(change) OVER (PARTITION BY organization_id, scope_id ORDER BY quarter)
FROM (
  SELECT organization_id, scope_id, sum(change) AS change,
         (edge + 62135596800000000 + 899999999) / 900000000 * 900000000 - 62135596800000000 AS quarter
  FROM (
    SELECT organization_id, scope_id, from_at AS edge, count(*) AS change
    FROM activity_window GROUP BY organization_id, scope_id, from_at
    UNION ALL
    SELECT organization_id, scope_id, to_at, -count(*)
    FROM activity_window WHERE to_at < 253402300799999999 GROUP BY organization_id, scope_id, to_at
  ) AS edges
  GROUP BY organization_id, scope_id, quarter
  HAVING sum(change) <> 0
) AS changes
"""


def upgrade() -> None:
    op.create_table(
        "activity_level",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.CheckConstraint("level >= 0", name=op.f("ck_activity_level_level")),
        sa.ForeignKeyConstraint(
            ["organization_id", "scope_id"],
            ["scope.organization_id", "scope.id"],
            name=op.f("fk_activity_level_organization_id_scope_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "scope_id", "from_at", name=op.f("pk_activity_level")),
        sqlite_with_rowid=False,
    )
    op.execute(COUNT)


def downgrade() -> None:
    raise RuntimeError("history is not thrown away: restore a backup from before this migration instead")
