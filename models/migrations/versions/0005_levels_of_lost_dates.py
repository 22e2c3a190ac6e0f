"""daily levels: of whom a date is lost they count as well, at least and at most; counted anew from the windows"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# In microseconds since 1970: rounded up to whole quarters of an hour, counted from year 1; the last is no end at all.
COUNT = """
WITH lost AS (
  SELECT * FROM uncertain_activity_window WHERE known_until = 253402300799999999
), beside_lost AS (
  SELECT organization_id, scope_id, learner_id, from_at, to_at FROM activity_window
  WHERE (organization_id, scope_id, learner_id) IN (SELECT organization_id, scope_id, learner_id FROM lost)
), edges AS (
  SELECT organization_id, scope_id, learner_id, from_at AS edge, 1 AS exact, 0 AS surely, 0 AS perhaps FROM beside_lost
  UNION ALL
  SELECT organization_id, scope_id, learner_id, to_at, -1, 0, 0 FROM beside_lost
  UNION ALL
  SELECT organization_id, scope_id, learner_id, from_latest, 0, 1, 0 FROM lost
  WHERE NOT may_be_empty AND from_latest < to_earliest
  UNION ALL
  SELECT organization_id, scope_id, learner_id, to_earliest, 0, -1, 0 FROM lost
  WHERE NOT may_be_empty AND from_latest < to_earliest
  UNION ALL
  SELECT organization_id, scope_id, learner_id, from_earliest, 0, 0, 1 FROM lost
  UNION ALL
  SELECT organization_id, scope_id, learner_id, to_latest, 0, 0, -1 FROM lost
), by_quarter AS (
  SELECT organization_id, scope_id, learner_id, sum(exact) AS exact, sum(surely) AS surely, sum(perhaps) AS perhaps,
         (edge + 62135596800000000 + 899999999) / 900000000 * 900000000 - 62135596800000000 AS quarter
  FROM edges WHERE edge < 253402300799999999
  GROUP BY organization_id, scope_id, learner_id, quarter
), held AS (
  SELECT organization_id, scope_id, learner_id, quarter, sum(exact) OVER along AS exact,
         sum(surely) OVER along AS surely, sum(perhaps) OVER along AS perhaps
  FROM by_quarter
  WINDOW along AS (PARTITION BY organization_id, scope_id, learner_id ORDER BY quarter)
), counting AS (
  SELECT organization_id, scope_id, learner_id, quarter,
         CASE WHEN exact = 0 AND surely > 0 THEN 1 ELSE 0 END AS least,
         CASE WHEN exact = 0 AND perhaps > 0 THEN 1 ELSE 0 END AS most
  FROM held
), changes AS (
  SELECT organization_id, scope_id, quarter, least - lag(least, 1, 0) OVER along AS least,
         most - lag(most, 1, 0) OVER along AS most
  FROM counting
  WINDOW along AS (PARTITION BY organization_id, scope_id, learner_id ORDER BY quarter)
  UNION ALL
  SELECT organization_id, scope_id,
         (edge + 62135596800000000 + 899999999) / 900000000 * 900000000 - 62135596800000000, change, change
  FROM (
    SELECT organization_id, scope_id, from_at AS edge, count(*) AS change
    FROM activity_window GROUP BY organization_id, scope_id, from_at
    UNION ALL
    SELECT organization_id, scope_id, to_at, -count(*)
    FROM activity_window WHERE to_at < 253402300799999999 GROUP BY organization_id, scope_id, to_at
  ) AS exact_edges
), together AS (
  SELECT organization_id, scope_id, quarter, sum(least) AS least, sum(most) AS most
  FROM changes GROUP BY organization_id, scope_id, quarter
  HAVING sum(least) <> 0 OR sum(most) <> 0
)
INSERT INTO activity_level (organization_id, scope_id, from_at, least, most)
SELECT organization_id, scope_id, quarter, sum(least) OVER along, sum(most) OVER along
FROM together
WINDOW along AS (PARTITION BY organization_id, scope_id ORDER BY quarter)
"""


def upgrade() -> None:
    op.drop_table("activity_level")
    op.create_table(
        "activity_level",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("least", sa.Integer(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.CheckConstraint("least >= 0 AND least <= most", name=op.f("ck_activity_level_level")),
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
