"""evidence: contracts, snapshots, invoices, disputes, proofs, events, work"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from models.migrations.append_only import make_append_only, make_append_only_but_erasable, unmake_append_only

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "signing_key",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("endorsed_by", sa.String(length=64), nullable=True),
        sa.Column("endorsement", sa.String(length=128), nullable=True),
        sa.ForeignKeyConstraint(["endorsed_by"], ["signing_key.id"], name=op.f("fk_signing_key_endorsed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_key")),
    )
    op.create_table(
        "checkpoint",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("previous_digest", sa.String(length=64), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["signing_key.id"], name=op.f("fk_checkpoint_key_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_checkpoint_organization_id")),
        sa.PrimaryKeyConstraint("organization_id", "number", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "event",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("thing", sa.String(length=16), nullable=False),
        sa.Column("thing_id", sa.BigInteger(), nullable=False),
        sa.Column("deed", sa.String(length=19), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("origin", sa.String(length=100), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("before", sa.String(length=200), nullable=True),
        sa.Column("after", sa.String(length=200), nullable=True),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.CheckConstraint("minutes IS NULL OR minutes > 0", name=op.f("ck_event_minutes")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_event_organization_id")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_event")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_event_organization_id_thing_thing_id_id"),
            ["organization_id", "thing", "thing_id", "id"],
            unique=False,
        )

    op.create_table(
        "idempotency_key",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("mutation", sa.String(length=100), nullable=False),
        sa.Column("input_digest", sa.String(length=64), nullable=False),
        sa.Column("made_id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_idempotency_key_organization_id")
        ),
        sa.PrimaryKeyConstraint("organization_id", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "invoice",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(length=120), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("drafted_at", sa.BigInteger(), nullable=False),
        sa.Column("challenge_until", sa.BigInteger(), nullable=True),
        sa.Column("issued_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_invoice_organization_id")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_invoice")),
        sa.UniqueConstraint("organization_id", "number", name=op.f("uq_invoice_organization_id_number")),
    )
    with op.batch_alter_table("invoice", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_invoice_organization_id_date_id"), ["organization_id", "date", "id"], unique=False
        )

    op.create_table(
        "task",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=13), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.String(length=64), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_task_organization_id")),
        sa.PrimaryKeyConstraint("organization_id", "kind", "subject", name=op.f("pk_task")),
    )
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.create_index(
            "ix_task_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        )

    op.create_table(
        "billing_snapshot",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=7), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("cutoff", sa.BigInteger(), nullable=False),
        sa.Column("measure", sa.String(length=18), nullable=False),
        sa.Column("counted_from", sa.BigInteger(), nullable=False),
        sa.Column("counted_until", sa.BigInteger(), nullable=False),
        sa.Column("term_id", sa.BigInteger(), nullable=True),
        sa.Column("licensed", sa.Integer(), nullable=True),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("count_least", sa.Integer(), nullable=False),
        sa.Column("count_most", sa.Integer(), nullable=False),
        sa.Column("excluded", sa.Integer(), nullable=False),
        sa.Column("overage_least", sa.Integer(), nullable=True),
        sa.Column("overage_most", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "kind = 'INQUIRY' OR known_at = recorded_at", name=op.f("ck_billing_snapshot_billed_as_known")
        ),
        sa.CheckConstraint("(licensed IS NULL) = (overage_least IS NULL)", name=op.f("ck_billing_snapshot_licensed")),
        sa.CheckConstraint("(term_id IS NULL) = (licensed IS NULL)", name=op.f("ck_billing_snapshot_term")),
        sa.CheckConstraint(
            "0 <= count_least AND count_least <= count_most AND excluded >= 0", name=op.f("ck_billing_snapshot_bounds")
        ),
        sa.CheckConstraint(
            "overage_least = CASE WHEN count_least > licensed THEN count_least - licensed ELSE 0 END",
            name=op.f("ck_billing_snapshot_overage"),
        ),
        sa.CheckConstraint(
            "overage_most = CASE WHEN count_most > licensed THEN count_most - licensed ELSE 0 END",
            name=op.f("ck_billing_snapshot_overage_most"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "product_id"],
            ["scope.organization_id", "scope.id"],
            name=op.f("fk_billing_snapshot_organization_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_billing_snapshot")),
    )
    with op.batch_alter_table("billing_snapshot", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_billing_snapshot_organization_id_product_id_date_id"),
            ["organization_id", "product_id", "date", "id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_billing_snapshot_billed",
            ["organization_id", "date", "product_id"],
            unique=True,
            sqlite_where=sa.text("kind = 'BILLING'"),
            postgresql_where=sa.text("kind = 'BILLING'"),
        )

    op.create_table(
        "contract_term",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("licensed", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("measure", sa.String(length=18), nullable=False),
        sa.Column("holds", sa.Boolean(), nullable=False),
        sa.CheckConstraint("licensed >= 0 AND unit_price_minor >= 0", name=op.f("ck_contract_term_not_negative")),
        sa.CheckConstraint("since < until", name=op.f("ck_contract_term_forward")),
        sa.ForeignKeyConstraint(
            ["organization_id", "product_id"],
            ["scope.organization_id", "scope.id"],
            name=op.f("fk_contract_term_organization_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", "recorded_at", name=op.f("pk_contract_term")),
    )
    with op.batch_alter_table("contract_term", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_contract_term_organization_id_product_id_since"),
            ["organization_id", "product_id", "since"],
            unique=False,
        )

    op.create_table(
        "erasure",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("external_id_digest", sa.String(length=64), nullable=False),
        sa.Column("profile_digest", sa.String(length=64), nullable=False),
        sa.Column("texts_digest", sa.String(length=64), nullable=False),
        sa.Column("preview_digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "learner_id"],
            ["learner.organization_id", "learner.id"],
            name=op.f("fk_erasure_organization_id_learner_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "learner_id", name=op.f("pk_erasure")),
        sa.UniqueConstraint(
            "organization_id", "external_id_digest", name=op.f("uq_erasure_organization_id_external_id_digest")
        ),
    )
    op.create_table(
        "invoice_payment",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_invoice_payment_positive")),
        sa.ForeignKeyConstraint(
            ["organization_id", "invoice_id"],
            ["invoice.organization_id", "invoice.id"],
            name=op.f("fk_invoice_payment_organization_id_invoice_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_invoice_payment")),
    )
    with op.batch_alter_table("invoice_payment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_invoice_payment_organization_id_invoice_id_id"),
            ["organization_id", "invoice_id", "id"],
            unique=False,
        )

    op.create_table(
        "adjustment",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("recount_id", sa.BigInteger(), nullable=False),
        sa.Column("overage_billed", sa.Integer(), nullable=False),
        sa.Column("overage_now", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("overage_billed >= 0 AND overage_now >= 0", name=op.f("ck_adjustment_floored")),
        sa.CheckConstraint(
            "quantity = overage_now - overage_billed AND quantity <> 0", name=op.f("ck_adjustment_difference")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "recount_id"],
            ["billing_snapshot.organization_id", "billing_snapshot.id"],
            name=op.f("fk_adjustment_organization_id_recount_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "snapshot_id"],
            ["billing_snapshot.organization_id", "billing_snapshot.id"],
            name=op.f("fk_adjustment_organization_id_snapshot_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_adjustment")),
    )
    with op.batch_alter_table("adjustment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_adjustment_organization_id_snapshot_id_id"),
            ["organization_id", "snapshot_id", "id"],
            unique=False,
        )

    op.create_table(
        "evidence_pack",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("checkpoint_number", sa.Integer(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["signing_key.id"], name=op.f("fk_evidence_pack_key_id")),
        sa.ForeignKeyConstraint(
            ["organization_id", "checkpoint_number"],
            ["checkpoint.organization_id", "checkpoint.number"],
            name=op.f("fk_evidence_pack_organization_id_checkpoint_number"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "snapshot_id"],
            ["billing_snapshot.organization_id", "billing_snapshot.id"],
            name=op.f("fk_evidence_pack_organization_id_snapshot_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_evidence_pack")),
    )
    with op.batch_alter_table("evidence_pack", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_evidence_pack_organization_id_snapshot_id_id"),
            ["organization_id", "snapshot_id", "id"],
            unique=False,
        )

    op.create_table(
        "snapshot_entry",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("from_earliest", sa.BigInteger(), nullable=False),
        sa.Column("from_latest", sa.BigInteger(), nullable=False),
        sa.Column("to_earliest", sa.BigInteger(), nullable=False),
        sa.Column("to_latest", sa.BigInteger(), nullable=False),
        sa.Column("known_from", sa.BigInteger(), nullable=False),
        sa.Column("certain", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "snapshot_id"],
            ["billing_snapshot.organization_id", "billing_snapshot.id"],
            name=op.f("fk_snapshot_entry_organization_id_snapshot_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("organization_id", "snapshot_id", "learner_id", name=op.f("pk_snapshot_entry")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "snapshot_seal",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint_number", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("figures_digest", sa.String(length=64), nullable=False),
        sa.Column("salt_seed", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "checkpoint_number"],
            ["checkpoint.organization_id", "checkpoint.number"],
            name=op.f("fk_snapshot_seal_organization_id_checkpoint_number"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "snapshot_id"],
            ["billing_snapshot.organization_id", "billing_snapshot.id"],
            name=op.f("fk_snapshot_seal_organization_id_snapshot_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "snapshot_id", name=op.f("pk_snapshot_seal")),
    )
    with op.batch_alter_table("snapshot_seal", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_snapshot_seal_organization_id_checkpoint_number_snapshot_id"),
            ["organization_id", "checkpoint_number", "snapshot_id"],
            unique=False,
        )

    op.create_table(
        "dispute",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(length=120), nullable=False),
        sa.Column("origin", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=14), nullable=False),
        sa.Column("resolution", sa.String(length=14), nullable=True),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("assignee", sa.String(length=200), nullable=True),
        sa.Column("respond_by", sa.Date(), nullable=True),
        sa.Column("pack_id", sa.BigInteger(), nullable=True),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(resolution IS NULL) = (resolved_at IS NULL)", name=op.f("ck_dispute_resolved")),
        sa.ForeignKeyConstraint(
            ["organization_id", "pack_id"],
            ["evidence_pack.organization_id", "evidence_pack.id"],
            name=op.f("fk_dispute_organization_id_pack_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "snapshot_id"],
            ["billing_snapshot.organization_id", "billing_snapshot.id"],
            name=op.f("fk_dispute_organization_id_snapshot_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_dispute")),
        sa.UniqueConstraint("organization_id", "number", name=op.f("uq_dispute_organization_id_number")),
    )
    with op.batch_alter_table("dispute", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_dispute_organization_id_snapshot_id"), ["organization_id", "snapshot_id"], unique=False
        )
        batch_op.create_index(
            "uq_dispute_drift",
            ["organization_id", "snapshot_id"],
            unique=True,
            sqlite_where=sa.text("origin = 'DRIFT' AND resolution IS NULL"),
            postgresql_where=sa.text("origin = 'DRIFT' AND resolution IS NULL"),
        )

    op.create_table(
        "evidence_file",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("pack_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "pack_id"],
            ["evidence_pack.organization_id", "evidence_pack.id"],
            name=op.f("fk_evidence_file_organization_id_pack_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "pack_id", "name", name=op.f("pk_evidence_file")),
    )
    op.create_table(
        "evidence_person",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("pack_id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "pack_id"],
            ["evidence_pack.organization_id", "evidence_pack.id"],
            name=op.f("fk_evidence_person_organization_id_pack_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "pack_id", "learner_id", name=op.f("pk_evidence_person")),
    )
    with op.batch_alter_table("evidence_person", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_evidence_person_organization_id_learner_id"), ["organization_id", "learner_id"], unique=False
        )

    op.create_table(
        "invoice_line",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("adjustment_id", sa.BigInteger(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.String(length=200), nullable=True),
        sa.Column("approval_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'ADJUSTMENT') = (adjustment_id IS NOT NULL)", name=op.f("ck_invoice_line_adjustment")
        ),
        sa.CheckConstraint("(kind = 'OVERAGE') = (approved_by IS NULL)", name=op.f("ck_invoice_line_approved")),
        sa.CheckConstraint(
            "quantity > 0 AND total_minor = quantity * unit_price_minor", name=op.f("ck_invoice_line_total")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "adjustment_id"],
            ["adjustment.organization_id", "adjustment.id"],
            name=op.f("fk_invoice_line_organization_id_adjustment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "invoice_id"],
            ["invoice.organization_id", "invoice.id"],
            name=op.f("fk_invoice_line_organization_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "snapshot_id"],
            ["billing_snapshot.organization_id", "billing_snapshot.id"],
            name=op.f("fk_invoice_line_organization_id_snapshot_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "invoice_id", "number", name=op.f("pk_invoice_line")),
    )
    with op.batch_alter_table("invoice_line", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_invoice_line_organization_id_snapshot_id"), ["organization_id", "snapshot_id"], unique=False
        )
        batch_op.create_index(
            "uq_invoice_line_adjustment",
            ["organization_id", "adjustment_id"],
            unique=True,
            sqlite_where=sa.text("adjustment_id IS NOT NULL"),
            postgresql_where=sa.text("adjustment_id IS NOT NULL"),
        )

    op.create_table(
        "credit_note",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(length=120), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("dispute_id", sa.BigInteger(), nullable=True),
        sa.Column("adjustment_id", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("(dispute_id IS NULL) <> (adjustment_id IS NULL)", name=op.f("ck_credit_note_cause")),
        sa.ForeignKeyConstraint(
            ["organization_id", "adjustment_id"],
            ["adjustment.organization_id", "adjustment.id"],
            name=op.f("fk_credit_note_organization_id_adjustment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "dispute_id"],
            ["dispute.organization_id", "dispute.id"],
            name=op.f("fk_credit_note_organization_id_dispute_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "invoice_id"],
            ["invoice.organization_id", "invoice.id"],
            name=op.f("fk_credit_note_organization_id_invoice_id"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_credit_note")),
        sa.UniqueConstraint("organization_id", "number", name=op.f("uq_credit_note_organization_id_number")),
    )
    with op.batch_alter_table("credit_note", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_credit_note_organization_id_invoice_id_id"),
            ["organization_id", "invoice_id", "id"],
            unique=False,
        )

    op.create_table(
        "dispute_line",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("dispute_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.SmallInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("credited", sa.Integer(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "quantity > 0 AND credited >= 0 AND credited <= quantity", name=op.f("ck_dispute_line_credited")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "dispute_id"],
            ["dispute.organization_id", "dispute.id"],
            name=op.f("fk_dispute_line_organization_id_dispute_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "invoice_id", "line_number"],
            ["invoice_line.organization_id", "invoice_line.invoice_id", "invoice_line.number"],
            name=op.f("fk_dispute_line_organization_id_invoice_id_line_number"),
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "dispute_id", "invoice_id", "line_number", name=op.f("pk_dispute_line")
        ),
    )
    with op.batch_alter_table("dispute_line", schema=None) as batch_op:
        batch_op.create_index(
            "uq_dispute_line_open",
            ["organization_id", "invoice_id", "line_number"],
            unique=True,
            sqlite_where=sa.text("is_open"),
            postgresql_where=sa.text("is_open"),
        )

    op.create_table(
        "line_acceptance",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.SmallInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("accepted_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "invoice_id", "line_number"],
            ["invoice_line.organization_id", "invoice_line.invoice_id", "invoice_line.number"],
            name=op.f("fk_line_acceptance_organization_id_invoice_id_line_number"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "invoice_id", "line_number", name=op.f("pk_line_acceptance")),
    )
    op.create_table(
        "credit_note_line",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("credit_note_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.SmallInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0 AND total_minor > 0", name=op.f("ck_credit_note_line_positive")),
        sa.ForeignKeyConstraint(
            ["organization_id", "credit_note_id"],
            ["credit_note.organization_id", "credit_note.id"],
            name=op.f("fk_credit_note_line_organization_id_credit_note_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "invoice_id", "line_number"],
            ["invoice_line.organization_id", "invoice_line.invoice_id", "invoice_line.number"],
            name=op.f("fk_credit_note_line_organization_id_invoice_id_line_number"),
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "credit_note_id", "invoice_id", "line_number", name=op.f("pk_credit_note_line")
        ),
    )
    with op.batch_alter_table("credit_note_line", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_credit_note_line_organization_id_invoice_id_line_number"),
            ["organization_id", "invoice_id", "line_number"],
            unique=False,
        )

    for table in (
        "contract_term",
        "billing_snapshot",
        "snapshot_entry",
        "line_acceptance",
        "invoice_payment",
        "credit_note_line",
        "signing_key",
        "checkpoint",
        "snapshot_seal",
        "evidence_pack",
        "evidence_file",
        "idempotency_key",
        "erasure",
    ):
        make_append_only(table)
    unmake_append_only("act")
    for table, text in (
        ("act", "reason"),
        ("event", "said"),
        ("adjustment", "reason"),
        ("credit_note", "reason"),
        ("invoice_line", "approval_reason"),
    ):
        make_append_only_but_erasable(table, text)


def downgrade() -> None:
    raise RuntimeError("history is not thrown away: restore a backup from before this migration instead")
