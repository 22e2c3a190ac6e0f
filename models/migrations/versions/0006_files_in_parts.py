"""files of evidence packs are kept in parts: one of a million people is more than a row should hold"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from models.migrations.append_only import make_append_only, unmake_append_only

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    unmake_append_only("evidence_file")
    with op.batch_alter_table("evidence_file") as table:
        table.add_column(sa.Column("part", sa.Integer(), nullable=False, server_default="1"))
        table.drop_constraint(op.f("pk_evidence_file"), type_="primary")
        table.create_primary_key(op.f("pk_evidence_file"), ["organization_id", "pack_id", "name", "part"])
    with op.batch_alter_table("evidence_file") as table:
        table.alter_column("part", server_default=None)
    make_append_only("evidence_file")


def downgrade() -> None:
    raise RuntimeError("history is not thrown away: restore a backup from before this migration instead")
