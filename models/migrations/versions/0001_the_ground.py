"""the ground: organizations, learners, beliefs, windows"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from models.migrations.append_only import make_append_only, prepare

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "matched_line",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("from_latest", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=False),
        sa.Column("known_to", sa.BigInteger(), nullable=True),
        sa.Column("activity_fact_id", sa.BigInteger(), nullable=False),
        sa.Column("membership_fact_id", sa.BigInteger(), nullable=False),
        sa.Column("tells", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "import_id", "learner_id", "team_id", "from_at", "line", name=op.f("pk_matched_line")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sa.UniqueConstraint("slug", name=op.f("uq_organization_slug")),
    )
    with op.batch_alter_table("organization", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_organization_name_key"), ["name_key"], unique=False)

    op.create_table(
        "person",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_table(
        "roster_import",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=7), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("lines_read", sa.BigInteger(), nullable=False),
        sa.Column("rows_landed", sa.BigInteger(), nullable=False),
        sa.Column("rows_unchanged", sa.BigInteger(), nullable=False),
        sa.Column("rows_refused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_import")),
    )
    with op.batch_alter_table("roster_import", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roster_import_digest_id"), ["digest", "id"], unique=False)
        batch_op.create_index(
            "uq_roster_import_unfinished",
            ["digest"],
            unique=True,
            sqlite_where=sa.text("state <> 'DONE'"),
            postgresql_where=sa.text("state <> 'DONE'"),
        )

    op.create_table(
        "staged_line",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("team", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("external_id", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("email", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("department", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("email_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("department_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("from_earliest", sa.BigInteger(), nullable=False),
        sa.Column("from_latest", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "import_id", "line", name=op.f("pk_staged_line")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "act",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_act_organization_id")),
        sa.PrimaryKeyConstraint("organization_id", "recorded_at", name=op.f("pk_act")),
    )
    op.create_table(
        "billing_zone",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("cutoff", sa.Time(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_billing_zone_organization_id")),
        sa.PrimaryKeyConstraint("organization_id", "since", name=op.f("pk_billing_zone")),
    )
    op.create_table(
        "learner",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_learner_organization_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_learner_person_id")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_learner")),
    )
    with op.batch_alter_table("learner", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_learner_person_id_organization_id"), ["person_id", "organization_id"], unique=False
        )

    op.create_table(
        "organization_clock",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_organization_clock_organization_id")
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_organization_clock")),
    )
    op.create_table(
        "roster_batch_row",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("row_number", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=9), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_roster_batch_row_organization_id")
        ),
        sa.PrimaryKeyConstraint("organization_id", "import_id", "row_number", name=op.f("pk_roster_batch_row")),
    )
    op.create_table(
        "roster_refusal",
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("column", sa.String(length=100), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("mend", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["roster_import.id"], name=op.f("fk_roster_refusal_import_id")),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_roster_refusal")),
    )
    op.create_table(
        "scope",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.CheckConstraint("(kind = 'ORGANIZATION') = (id = organization_id)", name=op.f("ck_scope_own_scope")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_scope_organization_id")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_scope")),
        sa.UniqueConstraint("organization_id", "kind", "name", name=op.f("uq_scope_organization_id_kind_name")),
    )
    with op.batch_alter_table("scope", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_scope_organization_id_kind_name_key_id"),
            ["organization_id", "kind", "name_key", "id"],
            unique=False,
        )

    op.create_table(
        "token",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("ending", sa.String(length=4), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("use", sa.String(length=7), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("began_with", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(role = 'INDIVIDUAL') = (person_id IS NOT NULL)", name=op.f("ck_token_person")),
        sa.CheckConstraint(
            "(role IN ('ORGANIZATION', 'PARTNER')) = (organization_id IS NOT NULL)", name=op.f("ck_token_organization")
        ),
        sa.CheckConstraint("(use = 'SESSION') = (began_with IS NOT NULL)", name=op.f("ck_token_began_with")),
        sa.ForeignKeyConstraint(["began_with"], ["token.digest"], name=op.f("fk_token_began_with")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_token_organization_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_token_person_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_token")),
    )
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_token_began_with"), ["began_with"], unique=False)
        batch_op.create_index(batch_op.f("ix_token_name"), ["name"], unique=False)

    op.create_table(
        "activity_window",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("previous_to", sa.BigInteger(), nullable=True),
        sa.Column("known_from", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("from_at < to_at", name=op.f("ck_activity_window_forward")),
        sa.CheckConstraint("previous_to < from_at", name=op.f("ck_activity_window_apart")),
        sa.ForeignKeyConstraint(
            ["organization_id", "learner_id"],
            ["learner.organization_id", "learner.id"],
            name=op.f("fk_activity_window_organization_id_learner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "scope_id", "learner_id", "previous_to"],
            [
                "activity_window.organization_id",
                "activity_window.scope_id",
                "activity_window.learner_id",
                "activity_window.to_at",
            ],
            name="fk_activity_window_previous",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "scope_id"],
            ["scope.organization_id", "scope.id"],
            name=op.f("fk_activity_window_organization_id_scope_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "scope_id", "learner_id", "to_at", name=op.f("pk_activity_window")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("activity_window", schema=None) as batch_op:
        batch_op.create_index(
            "ix_activity_window_by_end",
            ["organization_id", "scope_id", "to_at", "from_at", "learner_id", "previous_to", "known_from"],
            unique=False,
        )
        batch_op.create_index(
            "ix_activity_window_by_start",
            ["organization_id", "scope_id", "from_at", "to_at", "learner_id", "previous_to", "known_from"],
            unique=False,
        )
        batch_op.create_index(
            "uq_activity_window_first",
            ["organization_id", "scope_id", "learner_id"],
            unique=True,
            sqlite_where=sa.text("previous_to IS NULL"),
            postgresql_where=sa.text("previous_to IS NULL"),
        )
        batch_op.create_index(
            "uq_activity_window_follower",
            ["organization_id", "scope_id", "learner_id", "previous_to"],
            unique=True,
            sqlite_where=sa.text("previous_to IS NOT NULL"),
            postgresql_where=sa.text("previous_to IS NOT NULL"),
        )

    op.create_table(
        "belief",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("fact_id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), nullable=False),
        sa.Column("from_earliest", sa.BigInteger(), nullable=False),
        sa.Column("from_latest", sa.BigInteger(), nullable=False),
        sa.Column("to_earliest", sa.BigInteger(), nullable=False),
        sa.Column("to_latest", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.String(length=7), nullable=False),
        sa.Column("holds", sa.Boolean(), nullable=False),
        sa.CheckConstraint("from_earliest < to_earliest AND from_latest < to_latest", name=op.f("ck_belief_forward")),
        sa.CheckConstraint("from_earliest <= from_latest AND to_earliest <= to_latest", name=op.f("ck_belief_bounds")),
        sa.ForeignKeyConstraint(
            ["organization_id", "learner_id"],
            ["learner.organization_id", "learner.id"],
            name=op.f("fk_belief_organization_id_learner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "recorded_at"],
            ["act.organization_id", "act.recorded_at"],
            name=op.f("fk_belief_organization_id_recorded_at"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "scope_id"],
            ["scope.organization_id", "scope.id"],
            name=op.f("fk_belief_organization_id_scope_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "fact_id", "recorded_at", name=op.f("pk_belief")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("belief", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_belief_organization_id_learner_id_scope_id"),
            ["organization_id", "learner_id", "scope_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_belief_organization_id_scope_id_learner_id"),
            ["organization_id", "scope_id", "learner_id"],
            unique=False,
        )

    op.create_table(
        "former_activity_window",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=False),
        sa.Column("known_from", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("previous_to", sa.BigInteger(), nullable=True),
        sa.Column("known_until", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("from_at < to_at", name=op.f("ck_former_activity_window_forward")),
        sa.CheckConstraint("known_from < known_until", name=op.f("ck_former_activity_window_known_forward")),
        sa.ForeignKeyConstraint(
            ["organization_id", "learner_id"],
            ["learner.organization_id", "learner.id"],
            name=op.f("fk_former_activity_window_organization_id_learner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "scope_id"],
            ["scope.organization_id", "scope.id"],
            name=op.f("fk_former_activity_window_organization_id_scope_id"),
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "scope_id", "learner_id", "to_at", "known_from", name=op.f("pk_former_activity_window")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("former_activity_window", schema=None) as batch_op:
        batch_op.create_index(
            "ix_former_activity_window_by_known",
            ["organization_id", "scope_id", "known_until", "known_from", "learner_id"],
            unique=False,
        )

    op.create_table(
        "profile",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("email", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("department", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("email_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("department_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "learner_id"],
            ["learner.organization_id", "learner.id"],
            name=op.f("fk_profile_organization_id_learner_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "learner_id", name=op.f("pk_profile")),
        sa.UniqueConstraint("organization_id", "external_id", name=op.f("uq_profile_organization_id_external_id")),
    )
    with op.batch_alter_table("profile", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_profile_organization_id_department_key_learner_id"),
            ["organization_id", "department_key", "learner_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_profile_organization_id_email_key_learner_id"),
            ["organization_id", "email_key", "learner_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_profile_organization_id_name_key_learner_id"),
            ["organization_id", "name_key", "learner_id"],
            unique=False,
        )

    op.create_table(
        "roster_line",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=False),
        sa.Column("activity_fact_id", sa.BigInteger(), nullable=False),
        sa.Column("membership_fact_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "learner_id"],
            ["learner.organization_id", "learner.id"],
            name=op.f("fk_roster_line_organization_id_learner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "team_id"],
            ["scope.organization_id", "scope.id"],
            name=op.f("fk_roster_line_organization_id_team_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "learner_id", "team_id", "from_at", name=op.f("pk_roster_line")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "uncertain_activity_window",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("known_from", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("known_until", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.String(length=7), nullable=False),
        sa.Column("from_earliest", sa.BigInteger(), nullable=False),
        sa.Column("from_latest", sa.BigInteger(), nullable=False),
        sa.Column("to_earliest", sa.BigInteger(), nullable=False),
        sa.Column("to_latest", sa.BigInteger(), nullable=False),
        sa.Column("may_be_empty", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "from_earliest < to_earliest AND from_latest < to_latest", name=op.f("ck_uncertain_activity_window_forward")
        ),
        sa.CheckConstraint(
            "from_earliest <= from_latest AND to_earliest <= to_latest",
            name=op.f("ck_uncertain_activity_window_bounds"),
        ),
        sa.CheckConstraint("known_from < known_until", name=op.f("ck_uncertain_activity_window_known_forward")),
        sa.ForeignKeyConstraint(
            ["organization_id", "learner_id"],
            ["learner.organization_id", "learner.id"],
            name=op.f("fk_uncertain_activity_window_organization_id_learner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "scope_id"],
            ["scope.organization_id", "scope.id"],
            name=op.f("fk_uncertain_activity_window_organization_id_scope_id"),
        ),
        sa.PrimaryKeyConstraint(
            "organization_id",
            "scope_id",
            "learner_id",
            "known_from",
            "number",
            name=op.f("pk_uncertain_activity_window"),
        ),
    )
    with op.batch_alter_table("uncertain_activity_window", schema=None) as batch_op:
        batch_op.create_index(
            "ix_uncertain_activity_window_by_end",
            ["organization_id", "scope_id", "to_latest", "from_earliest", "learner_id"],
            unique=False,
        )

    prepare()
    for table in ("act", "belief"):
        make_append_only(table)


def downgrade() -> None:
    raise RuntimeError("there is nothing before the first migration: make a new database instead")
