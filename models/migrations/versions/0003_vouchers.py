"""vouchers: programs, products, orders, payments, vouchers, codes, assignments, redemptions, the ledger"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from models.migrations.append_only import (
    make_append_only,
    make_append_only_but_counting,
    make_append_only_but_erasable,
)

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "asked_count",
        sa.Column("by", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("window_at", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.CheckConstraint("asked >= 0", name=op.f("ck_asked_count_asked")),
        sa.PrimaryKeyConstraint("by", "subject", "window_at", name=op.f("pk_asked_count")),
    )
    with op.batch_alter_table("asked_count", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_asked_count_window_at"), ["window_at"], unique=False)

    op.create_table(
        "program",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("hold_seconds", sa.Integer(), nullable=False),
        sa.Column("reopen_days", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("hold_seconds > 0 AND reopen_days >= 0", name=op.f("ck_program_patience")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_program")),
        sa.UniqueConstraint("slug", name=op.f("uq_program_slug")),
    )
    with op.batch_alter_table("program", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_program_name_key"), ["name_key"], unique=False)

    op.create_table(
        "staged_certification",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint(
            "organization_id", "import_id", "line", "name_key", name=op.f("pk_staged_certification")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "account",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_account_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_account")),
        sa.UniqueConstraint("email_key", name=op.f("uq_account_email_key")),
    )
    op.create_table(
        "attempt_count",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("window_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_attempt_count_attempts")),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_attempt_count_program_id")),
        sa.PrimaryKeyConstraint("program_id", "by", "subject", "window_at", name=op.f("pk_attempt_count")),
    )
    with op.batch_alter_table("attempt_count", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempt_count_window_at"), ["window_at"], unique=False)

    op.create_table(
        "billing_agreement",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("cap_minor", sa.BigInteger(), nullable=False),
        sa.Column("unbilled_minor", sa.BigInteger(), nullable=False),
        sa.Column("unpaid_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_minor", sa.BigInteger(), nullable=False),
        sa.Column("closed_until", sa.BigInteger(), nullable=False),
        sa.Column("agreed_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "unbilled_minor + unpaid_minor + held_minor <= cap_minor", name=op.f("ck_billing_agreement_cap")
        ),
        sa.CheckConstraint("unpaid_minor >= 0 AND held_minor >= 0", name=op.f("ck_billing_agreement_parts")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_billing_agreement_organization_id")
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_billing_agreement_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_billing_agreement")),
        sa.UniqueConstraint(
            "program_id",
            "organization_id",
            "currency",
            name=op.f("uq_billing_agreement_program_id_organization_id_currency"),
        ),
    )
    op.create_table(
        "cart",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("gateway", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("by_vouchers_minor", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "total_minor >= 0 AND by_vouchers_minor BETWEEN 0 AND total_minor", name=op.f("ck_cart_total")
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_cart_version")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_cart_person_id")),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_cart_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_cart")),
    )
    with op.batch_alter_table("cart", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_cart_program_id_person_id_id"), ["program_id", "person_id", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_cart_state_changed_at"), ["state", "changed_at"], unique=False)

    op.create_table(
        "gateway_notice",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("gateway", sa.String(length=40), nullable=False),
        sa.Column("notice", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("gateway_reference", sa.String(length=255), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_gateway_notice_program_id")),
        sa.PrimaryKeyConstraint("program_id", "gateway", "notice", name=op.f("pk_gateway_notice")),
    )
    op.create_table(
        "product",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_product_price")),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_product_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_product")),
        sa.UniqueConstraint("program_id", "code", name=op.f("uq_product_program_id_code")),
    )
    with op.batch_alter_table("product", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_product_program_id_name_key_id"), ["program_id", "name_key", "id"], unique=False
        )

    op.create_table(
        "program_event",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("thing", sa.String(length=40), nullable=False),
        sa.Column("thing_id", sa.BigInteger(), nullable=False),
        sa.Column("deed", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("origin", sa.String(length=100), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("before", sa.String(length=200), nullable=True),
        sa.Column("after", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_program_event_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_program_event")),
    )
    with op.batch_alter_table("program_event", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_program_event_program_id_thing_thing_id_id"),
            ["program_id", "thing", "thing_id", "id"],
            unique=False,
        )

    op.create_table(
        "program_key",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("mutation", sa.String(length=100), nullable=False),
        sa.Column("input_digest", sa.String(length=64), nullable=False),
        sa.Column("made_id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_program_key_program_id")),
        sa.PrimaryKeyConstraint("program_id", "actor_id", "key", name=op.f("pk_program_key")),
    )
    op.create_table(
        "promotion",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("amount_off_minor", sa.BigInteger(), nullable=True),
        sa.Column("basis_points_off", sa.Integer(), nullable=True),
        sa.Column("most_off_minor", sa.BigInteger(), nullable=True),
        sa.Column("most_uses", sa.Integer(), nullable=True),
        sa.Column("most_uses_a_person", sa.Integer(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("held_uses", sa.Integer(), nullable=False),
        sa.Column("funding", sa.String(length=14), nullable=False),
        sa.Column("usable_from", sa.BigInteger(), nullable=False),
        sa.Column("usable_until", sa.BigInteger(), nullable=False),
        sa.Column("funded_at", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("face_value_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("remaining_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_minor", sa.BigInteger(), nullable=False),
        sa.Column("captured_minor", sa.BigInteger(), nullable=False),
        sa.Column("reversed_minor", sa.BigInteger(), nullable=False),
        sa.Column("expired_minor", sa.BigInteger(), nullable=False),
        sa.Column("forfeited_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(amount_off_minor IS NULL) <> (basis_points_off IS NULL)", name=op.f("ck_promotion_benefit")
        ),
        sa.CheckConstraint("amount_off_minor IS NULL OR amount_off_minor > 0", name=op.f("ck_promotion_amount_off")),
        sa.CheckConstraint(
            "basis_points_off IS NULL OR basis_points_off BETWEEN 1 AND 10000", name=op.f("ck_promotion_percent_off")
        ),
        sa.CheckConstraint(
            "captured_minor >= 0 AND reversed_minor >= 0 AND expired_minor >= 0 AND forfeited_minor >= 0 AND refunded_minor >= 0",
            name=op.f("ck_promotion_parts"),
        ),
        sa.CheckConstraint(
            "face_value_minor > 0 AND reversed_minor <= captured_minor", name=op.f("ck_promotion_face_value")
        ),
        sa.CheckConstraint("held_minor BETWEEN 0 AND remaining_minor", name=op.f("ck_promotion_held")),
        sa.CheckConstraint("most_uses IS NULL OR uses + held_uses <= most_uses", name=op.f("ck_promotion_most_uses")),
        sa.CheckConstraint(
            "remaining_minor = face_value_minor - captured_minor + reversed_minor - expired_minor - forfeited_minor - refunded_minor",
            name=op.f("ck_promotion_remaining"),
        ),
        sa.CheckConstraint("usable_from < usable_until", name=op.f("ck_promotion_usable")),
        sa.CheckConstraint("uses >= 0 AND held_uses >= 0", name=op.f("ck_promotion_uses")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_promotion_organization_id")),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_promotion_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_promotion")),
        sa.UniqueConstraint("program_id", "code", name=op.f("uq_promotion_program_id_code")),
    )
    with op.batch_alter_table("promotion", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_promotion_program_id_name_key_id"), ["program_id", "name_key", "id"], unique=False
        )

    op.create_table(
        "responsible_party",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.String(length=200), nullable=False),
        sa.Column("superseded_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("from_at < to_at", name=op.f("ck_responsible_party_window")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_responsible_party_organization_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_responsible_party_person_id")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_responsible_party")),
    )
    with op.batch_alter_table("responsible_party", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_responsible_party_person_id_organization_id"), ["person_id", "organization_id"], unique=False
        )
        batch_op.create_index(
            "uq_responsible_party_current",
            ["organization_id", "person_id"],
            unique=True,
            sqlite_where=sa.text("superseded_at IS NULL"),
            postgresql_where=sa.text("superseded_at IS NULL"),
        )

    op.create_table(
        "voucher_program",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("face_value_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("by_card", sa.Boolean(), nullable=False),
        sa.Column("by_purchase_order", sa.Boolean(), nullable=False),
        sa.Column("billed_later", sa.Boolean(), nullable=False),
        sa.Column("issue_on", sa.String(length=10), nullable=False),
        sa.Column("leftovers", sa.String(length=7), nullable=False),
        sa.Column("transferability", sa.String(length=14), nullable=False),
        sa.Column("refund_policy", sa.String(length=9), nullable=False),
        sa.Column("refund_days", sa.Integer(), nullable=True),
        sa.Column("valid_days", sa.Integer(), nullable=True),
        sa.Column("valid_through", sa.Date(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(valid_days IS NULL OR valid_days > 0) AND (refund_days IS NULL OR refund_days > 0)",
            name=op.f("ck_voucher_program_days"),
        ),
        sa.CheckConstraint("by_card OR by_purchase_order OR billed_later", name=op.f("ck_voucher_program_funding")),
        sa.CheckConstraint("face_value_minor > 0", name=op.f("ck_voucher_program_face_value")),
        sa.CheckConstraint("valid_days IS NULL OR valid_through IS NULL", name=op.f("ck_voucher_program_validity")),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_voucher_program_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_voucher_program")),
        sa.UniqueConstraint("program_id", "name", name=op.f("uq_voucher_program_program_id_name")),
    )
    with op.batch_alter_table("voucher_program", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_voucher_program_program_id_name_key_id"), ["program_id", "name_key", "id"], unique=False
        )

    op.create_table(
        "cart_line",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("cart_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("number BETWEEN 1 AND 50", name=op.f("ck_cart_line_number")),
        sa.CheckConstraint("quantity BETWEEN 1 AND 1000 AND unit_price_minor >= 0", name=op.f("ck_cart_line_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "cart_id"], ["cart.program_id", "cart.id"], name=op.f("fk_cart_line_program_id_cart_id")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "product_id"],
            ["product.program_id", "product.id"],
            name=op.f("fk_cart_line_program_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "cart_id", "number", name=op.f("pk_cart_line")),
    )
    op.create_table(
        "certification",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("superseded_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "learner_id"],
            ["learner.organization_id", "learner.id"],
            name=op.f("fk_certification_organization_id_learner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_certification_organization_id")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_certification")),
    )
    with op.batch_alter_table("certification", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_certification_organization_id_name_key_expires_on_learner_id"),
            ["organization_id", "name_key", "expires_on", "learner_id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_certification_current",
            ["organization_id", "learner_id", "name_key"],
            unique=True,
            sqlite_where=sa.text("superseded_at IS NULL"),
            postgresql_where=sa.text("superseded_at IS NULL"),
        )

    op.create_table(
        "checkout",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("cart_id", sa.BigInteger(), nullable=False),
        sa.Column("cart_version", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("gateway", sa.String(length=40), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("by_vouchers_minor", sa.BigInteger(), nullable=False),
        sa.Column("by_card_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('PAYING', 'PAYMENT_UNKNOWN')) = (ended_at IS NULL)", name=op.f("ck_checkout_ended")
        ),
        sa.CheckConstraint("by_vouchers_minor + by_card_minor = total_minor", name=op.f("ck_checkout_total")),
        sa.CheckConstraint("by_vouchers_minor >= 0 AND by_card_minor >= 0", name=op.f("ck_checkout_parts")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_checkout_person_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "cart_id"], ["cart.program_id", "cart.id"], name=op.f("fk_checkout_program_id_cart_id")
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_checkout_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_checkout")),
    )
    with op.batch_alter_table("checkout", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_checkout_program_id_cart_id_id"), ["program_id", "cart_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_checkout_program_id_person_id_id"), ["program_id", "person_id", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_checkout_state_started_at"), ["state", "started_at"], unique=False)
        batch_op.create_index(
            "uq_checkout_once_a_cart",
            ["program_id", "cart_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('PAYING', 'PAYMENT_UNKNOWN', 'COMPLETED')"),
            postgresql_where=sa.text("state IN ('PAYING', 'PAYMENT_UNKNOWN', 'COMPLETED')"),
        )

    op.create_table(
        "cohort",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("voucher_program_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=True),
        sa.Column("activity", sa.String(length=30), nullable=True),
        sa.Column("activity_from", sa.BigInteger(), nullable=True),
        sa.Column("activity_to", sa.BigInteger(), nullable=True),
        sa.Column("certification_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=True),
        sa.Column("earliest_expiry", sa.Date(), nullable=True),
        sa.Column("latest_expiry", sa.Date(), nullable=True),
        sa.Column("expires_within_months", sa.Integer(), nullable=True),
        sa.Column("budget_minor", sa.BigInteger(), nullable=True),
        sa.Column("spent_minor", sa.BigInteger(), nullable=False),
        sa.Column("defined_by", sa.String(length=200), nullable=False),
        sa.Column("defined_at", sa.BigInteger(), nullable=False),
        sa.Column("standing_from", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("last_run_on", sa.Date(), nullable=True),
        sa.CheckConstraint("(activity IS NULL) = (activity_from IS NULL)", name=op.f("ck_cohort_activity")),
        sa.CheckConstraint(
            "expires_within_months IS NULL OR (earliest_expiry IS NULL AND latest_expiry IS NULL)",
            name=op.f("ck_cohort_expiry"),
        ),
        sa.CheckConstraint(
            "expires_within_months IS NULL OR expires_within_months BETWEEN 0 AND 120", name=op.f("ck_cohort_months")
        ),
        sa.CheckConstraint(
            "spent_minor >= 0 AND (budget_minor IS NULL OR spent_minor <= budget_minor)", name=op.f("ck_cohort_budget")
        ),
        sa.CheckConstraint(
            "standing_from IS NULL OR (name IS NOT NULL AND budget_minor IS NOT NULL)", name=op.f("ck_cohort_standing")
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_cohort_organization_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_program_id"],
            ["voucher_program.program_id", "voucher_program.id"],
            name=op.f("fk_cohort_program_id_voucher_program_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_cohort_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_cohort")),
        sa.UniqueConstraint(
            "program_id", "organization_id", "name", name=op.f("uq_cohort_program_id_organization_id_name")
        ),
    )
    with op.batch_alter_table("cohort", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_cohort_program_id_organization_id_id"), ["program_id", "organization_id", "id"], unique=False
        )

    op.create_table(
        "promotion_person",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("promotion_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("held_uses", sa.Integer(), nullable=False),
        sa.CheckConstraint("uses >= 0 AND held_uses >= 0", name=op.f("ck_promotion_person_uses")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_promotion_person_person_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "promotion_id"],
            ["promotion.program_id", "promotion.id"],
            name=op.f("fk_promotion_person_program_id_promotion_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "promotion_id", "person_id", name=op.f("pk_promotion_person")),
    )
    op.create_table(
        "promotion_product",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("promotion_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("ruling", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "product_id"],
            ["product.program_id", "product.id"],
            name=op.f("fk_promotion_product_program_id_product_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "promotion_id"],
            ["promotion.program_id", "promotion.id"],
            name=op.f("fk_promotion_product_program_id_promotion_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "promotion_id", "product_id", name=op.f("pk_promotion_product")),
    )
    op.create_table(
        "statement",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("billing_agreement_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("purchase_order", sa.String(length=100), nullable=True),
        sa.Column("payment_reference", sa.String(length=100), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("paid_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'PAID') = (paid_at IS NOT NULL)", name=op.f("ck_statement_paid")),
        sa.CheckConstraint("total_minor > 0 OR state = 'PAID'", name=op.f("ck_statement_due")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_statement_organization_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "billing_agreement_id"],
            ["billing_agreement.program_id", "billing_agreement.id"],
            name=op.f("fk_statement_program_id_billing_agreement_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_statement_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_statement")),
        sa.UniqueConstraint("program_id", "number", name=op.f("uq_statement_program_id_number")),
        sa.UniqueConstraint(
            "program_id",
            "organization_id",
            "currency",
            "month",
            name=op.f("uq_statement_program_id_organization_id_currency_month"),
        ),
    )
    with op.batch_alter_table("statement", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_statement_program_id_month_id"), ["program_id", "month", "id"], unique=False
        )

    op.create_table(
        "voucher_order",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("voucher_program_id", sa.BigInteger(), nullable=True),
        sa.Column("promotion_id", sa.BigInteger(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("funding", sa.String(length=14), nullable=False),
        sa.Column("state", sa.String(length=17), nullable=False),
        sa.Column("purchase_order", sa.String(length=100), nullable=True),
        sa.Column("payment_reference", sa.String(length=100), nullable=True),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("ordered_by", sa.String(length=200), nullable=False),
        sa.Column("ordered_at", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "paid_minor = CASE WHEN state = 'SETTLED' THEN quantity * unit_price_minor ELSE 0 END",
            name=op.f("ck_voucher_order_paid"),
        ),
        sa.CheckConstraint(
            "(voucher_program_id IS NULL) <> (promotion_id IS NULL)", name=op.f("ck_voucher_order_subject")
        ),
        sa.CheckConstraint("promotion_id IS NULL OR quantity = 1", name=op.f("ck_voucher_order_budget")),
        sa.CheckConstraint(
            "quantity BETWEEN 1 AND 10000 AND unit_price_minor > 0", name=op.f("ck_voucher_order_amount")
        ),
        sa.CheckConstraint("refunded_minor BETWEEN 0 AND paid_minor", name=op.f("ck_voucher_order_refunded")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_voucher_order_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "promotion_id"],
            ["promotion.program_id", "promotion.id"],
            name=op.f("fk_voucher_order_program_id_promotion_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_program_id"],
            ["voucher_program.program_id", "voucher_program.id"],
            name=op.f("fk_voucher_order_program_id_voucher_program_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_voucher_order_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_voucher_order")),
        sa.UniqueConstraint("program_id", "number", name=op.f("uq_voucher_order_program_id_number")),
    )
    with op.batch_alter_table("voucher_order", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_voucher_order_program_id_ordered_at_id"), ["program_id", "ordered_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_order_program_id_organization_id_ordered_at_id"),
            ["program_id", "organization_id", "ordered_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_order_program_id_state_ordered_at_id"),
            ["program_id", "state", "ordered_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_voucher_order_budget",
            ["program_id", "promotion_id"],
            unique=True,
            sqlite_where=sa.text("promotion_id IS NOT NULL AND state NOT IN ('DECLINED', 'REJECTED', 'CANCELLED')"),
            postgresql_where=sa.text("promotion_id IS NOT NULL AND state NOT IN ('DECLINED', 'REJECTED', 'CANCELLED')"),
        )

    op.create_table(
        "voucher_program_product",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_program_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("ruling", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "product_id"],
            ["product.program_id", "product.id"],
            name=op.f("fk_voucher_program_product_program_id_product_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_program_id"],
            ["voucher_program.program_id", "voucher_program.id"],
            name=op.f("fk_voucher_program_product_program_id_voucher_program_id"),
        ),
        sa.PrimaryKeyConstraint(
            "program_id", "voucher_program_id", "product_id", name=op.f("pk_voucher_program_product")
        ),
    )
    op.create_table(
        "bulk_assignment",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("cohort_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("fingerprints", sa.LargeBinary(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("eligible", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("in_stock", sa.Integer(), nullable=False),
        sa.Column("previewed_by", sa.String(length=200), nullable=False),
        sa.Column("previewed_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("assigned", sa.Integer(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=True),
        sa.Column("taken_back", sa.Integer(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'PREVIEWED') = (committed_at IS NULL)", name=op.f("ck_bulk_assignment_committed")),
        sa.CheckConstraint("(state = 'UNDONE') = (undone_at IS NOT NULL)", name=op.f("ck_bulk_assignment_undone")),
        sa.CheckConstraint("taken_back BETWEEN 0 AND assigned", name=op.f("ck_bulk_assignment_taken_back")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_bulk_assignment_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "cohort_id"],
            ["cohort.program_id", "cohort.id"],
            name=op.f("fk_bulk_assignment_program_id_cohort_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_bulk_assignment_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_bulk_assignment")),
    )
    with op.batch_alter_table("bulk_assignment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_bulk_assignment_program_id_cohort_id_id"), ["program_id", "cohort_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_bulk_assignment_program_id_organization_id_id"),
            ["program_id", "organization_id", "id"],
            unique=False,
        )

    op.create_table(
        "cohort_department",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("cohort_id", sa.BigInteger(), nullable=False),
        sa.Column("department_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "cohort_id"],
            ["cohort.program_id", "cohort.id"],
            name=op.f("fk_cohort_department_program_id_cohort_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "cohort_id", "department_key", name=op.f("pk_cohort_department")),
    )
    op.create_table(
        "cohort_team",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("cohort_id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "team_id"],
            ["scope.organization_id", "scope.id"],
            name=op.f("fk_cohort_team_organization_id_team_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "cohort_id"],
            ["cohort.program_id", "cohort.id"],
            name=op.f("fk_cohort_team_program_id_cohort_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "cohort_id", "team_id", name=op.f("pk_cohort_team")),
    )
    op.create_table(
        "fee_order",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("checkout_id", sa.BigInteger(), nullable=True),
        sa.Column("gateway", sa.String(length=40), nullable=True),
        sa.Column("reference", sa.String(length=100), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("by_vouchers_minor", sa.BigInteger(), nullable=False),
        sa.Column("by_card_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(channel = 'CHECKOUT') = (checkout_id IS NOT NULL) AND (channel = 'CHECKOUT') = (gateway IS NOT NULL)",
            name=op.f("ck_fee_order_channel"),
        ),
        sa.CheckConstraint("by_vouchers_minor + by_card_minor = total_minor", name=op.f("ck_fee_order_total")),
        sa.CheckConstraint("by_vouchers_minor >= 0 AND by_card_minor >= 0", name=op.f("ck_fee_order_parts")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_fee_order_person_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "checkout_id"],
            ["checkout.program_id", "checkout.id"],
            name=op.f("fk_fee_order_program_id_checkout_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_fee_order_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_fee_order")),
        sa.UniqueConstraint("program_id", "checkout_id", name=op.f("uq_fee_order_program_id_checkout_id")),
    )
    with op.batch_alter_table("fee_order", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_fee_order_program_id_completed_at_id"), ["program_id", "completed_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_fee_order_program_id_person_id_id"), ["program_id", "person_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_fee_order_program_id_reference"), ["program_id", "reference"], unique=False
        )

    op.create_table(
        "payment",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_order_id", sa.BigInteger(), nullable=True),
        sa.Column("checkout_id", sa.BigInteger(), nullable=True),
        sa.Column("statement_id", sa.BigInteger(), nullable=True),
        sa.Column("gateway", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=60), nullable=False),
        sa.Column("gateway_reference", sa.String(length=255), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(voucher_order_id IS NOT NULL AND checkout_id IS NULL AND statement_id IS NULL) OR (voucher_order_id IS NULL AND (checkout_id IS NULL) <> (statement_id IS NULL))",
            name=op.f("ck_payment_subject"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "checkout_id"],
            ["checkout.program_id", "checkout.id"],
            name=op.f("fk_payment_program_id_checkout_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "statement_id"],
            ["statement.program_id", "statement.id"],
            name=op.f("fk_payment_program_id_statement_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_order_id"],
            ["voucher_order.program_id", "voucher_order.id"],
            name=op.f("fk_payment_program_id_voucher_order_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_payment_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_payment")),
        sa.UniqueConstraint(
            "program_id", "gateway", "gateway_reference", name=op.f("uq_payment_program_id_gateway_gateway_reference")
        ),
        sa.UniqueConstraint("program_id", "reference", name=op.f("uq_payment_program_id_reference")),
    )
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payment_program_id_checkout_id"), ["program_id", "checkout_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_payment_program_id_statement_id"), ["program_id", "statement_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_payment_program_id_voucher_order_id"), ["program_id", "voucher_order_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_payment_state_asked_at"), ["state", "asked_at"], unique=False)
        batch_op.create_index(
            "uq_payment_open_checkout",
            ["program_id", "checkout_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('ASKING', 'ACTION_REQUIRED', 'UNKNOWN')"),
            postgresql_where=sa.text("state IN ('ASKING', 'ACTION_REQUIRED', 'UNKNOWN')"),
        )
        batch_op.create_index(
            "uq_payment_open_statement",
            ["program_id", "statement_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('ASKING', 'ACTION_REQUIRED', 'UNKNOWN')"),
            postgresql_where=sa.text("state IN ('ASKING', 'ACTION_REQUIRED', 'UNKNOWN')"),
        )
        batch_op.create_index(
            "uq_payment_open_voucher_order",
            ["program_id", "voucher_order_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('ASKING', 'ACTION_REQUIRED', 'UNKNOWN')"),
            postgresql_where=sa.text("state IN ('ASKING', 'ACTION_REQUIRED', 'UNKNOWN')"),
        )

    op.create_table(
        "voucher",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_program_id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_order_id", sa.BigInteger(), nullable=False),
        sa.Column("funding", sa.String(length=14), nullable=False),
        sa.Column("standing", sa.String(length=9), nullable=False),
        sa.Column("last_four", sa.String(length=4), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=True),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("assignment_id", sa.BigInteger(), nullable=True),
        sa.Column("flagged_at", sa.BigInteger(), nullable=True),
        sa.Column("face_value_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("remaining_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_minor", sa.BigInteger(), nullable=False),
        sa.Column("captured_minor", sa.BigInteger(), nullable=False),
        sa.Column("reversed_minor", sa.BigInteger(), nullable=False),
        sa.Column("expired_minor", sa.BigInteger(), nullable=False),
        sa.Column("forfeited_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(standing = 'LIVE') <= (remaining_minor > 0)", name=op.f("ck_voucher_live")),
        sa.CheckConstraint(
            "standing = 'LIVE' OR (assignment_id IS NULL AND held_minor = 0)", name=op.f("ck_voucher_dead")
        ),
        sa.CheckConstraint("standing IN ('LIVE', 'REVOKED') OR remaining_minor = 0", name=op.f("ck_voucher_ended")),
        sa.CheckConstraint(
            "captured_minor >= 0 AND reversed_minor >= 0 AND expired_minor >= 0 AND forfeited_minor >= 0 AND refunded_minor >= 0",
            name=op.f("ck_voucher_parts"),
        ),
        sa.CheckConstraint(
            "face_value_minor > 0 AND reversed_minor <= captured_minor", name=op.f("ck_voucher_face_value")
        ),
        sa.CheckConstraint("held_minor BETWEEN 0 AND remaining_minor", name=op.f("ck_voucher_held")),
        sa.CheckConstraint(
            "remaining_minor = face_value_minor - captured_minor + reversed_minor - expired_minor - forfeited_minor - refunded_minor",
            name=op.f("ck_voucher_remaining"),
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_voucher_organization_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_order_id"],
            ["voucher_order.program_id", "voucher_order.id"],
            name=op.f("fk_voucher_program_id_voucher_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_program_id"],
            ["voucher_program.program_id", "voucher_program.id"],
            name=op.f("fk_voucher_program_id_voucher_program_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_voucher_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_voucher")),
    )
    with op.batch_alter_table("voucher", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_voucher_program_id_organization_id_id"),
            ["program_id", "organization_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_program_id_organization_id_standing_expires_at_id"),
            ["program_id", "organization_id", "standing", "expires_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_program_id_standing_expires_at_id"),
            ["program_id", "standing", "expires_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_program_id_voucher_order_id_id"),
            ["program_id", "voucher_order_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_program_id_voucher_program_id_id"),
            ["program_id", "voucher_program_id", "id"],
            unique=False,
        )

    op.create_table(
        "cart_voucher",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("cart_id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_id", sa.BigInteger(), nullable=True),
        sa.Column("promotion_id", sa.BigInteger(), nullable=True),
        sa.Column("billing_agreement_id", sa.BigInteger(), nullable=True),
        sa.Column("applied_by", sa.String(length=20), nullable=False),
        sa.Column("named_minor", sa.BigInteger(), nullable=True),
        sa.Column("held_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            '"end" IS NULL OR "end" = \'CAPTURED\' OR held_minor = 0', name=op.f("ck_cart_voucher_held")
        ),
        sa.CheckConstraint('(ended_at IS NULL) = ("end" IS NULL)', name=op.f("ck_cart_voucher_end")),
        sa.CheckConstraint("(voucher_id IS NULL) <> (promotion_id IS NULL)", name=op.f("ck_cart_voucher_subject")),
        sa.CheckConstraint(
            "held_minor >= 0 AND (named_minor IS NULL OR named_minor > 0)", name=op.f("ck_cart_voucher_amount")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "billing_agreement_id"],
            ["billing_agreement.program_id", "billing_agreement.id"],
            name=op.f("fk_cart_voucher_program_id_billing_agreement_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "cart_id"], ["cart.program_id", "cart.id"], name=op.f("fk_cart_voucher_program_id_cart_id")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "promotion_id"],
            ["promotion.program_id", "promotion.id"],
            name=op.f("fk_cart_voucher_program_id_promotion_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_id"],
            ["voucher.program_id", "voucher.id"],
            name=op.f("fk_cart_voucher_program_id_voucher_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_cart_voucher_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_cart_voucher")),
    )
    with op.batch_alter_table("cart_voucher", schema=None) as batch_op:
        batch_op.create_index(
            "ix_cart_voucher_holding",
            ["held_until"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_cart_voucher_program_id_billing_agreement_id_ended_at"),
            ["program_id", "billing_agreement_id", "ended_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_cart_voucher_program_id_cart_id_id"), ["program_id", "cart_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_cart_voucher_program_id_promotion_id_ended_at"),
            ["program_id", "promotion_id", "ended_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_cart_voucher_program_id_voucher_id_ended_at"),
            ["program_id", "voucher_id", "ended_at"],
            unique=False,
        )
        batch_op.create_index(
            "uq_cart_voucher_live_promotion",
            ["program_id", "cart_id", "promotion_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL AND promotion_id IS NOT NULL"),
            postgresql_where=sa.text("ended_at IS NULL AND promotion_id IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_cart_voucher_live_voucher",
            ["program_id", "cart_id", "voucher_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL AND voucher_id IS NOT NULL"),
            postgresql_where=sa.text("ended_at IS NULL AND voucher_id IS NOT NULL"),
        )

    op.create_table(
        "fee_order_line",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("fee_order_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("quantity > 0 AND unit_price_minor >= 0", name=op.f("ck_fee_order_line_amount")),
        sa.CheckConstraint(
            "refunded_minor BETWEEN 0 AND quantity * unit_price_minor", name=op.f("ck_fee_order_line_refunded")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "fee_order_id"],
            ["fee_order.program_id", "fee_order.id"],
            name=op.f("fk_fee_order_line_program_id_fee_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "product_id"],
            ["product.program_id", "product.id"],
            name=op.f("fk_fee_order_line_program_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "fee_order_id", "number", name=op.f("pk_fee_order_line")),
    )
    op.create_table(
        "fee_refund",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("fee_order_id", sa.BigInteger(), nullable=False),
        sa.Column("by_card_minor", sa.BigInteger(), nullable=False),
        sa.Column("by_vouchers_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("refunded_by", sa.String(length=200), nullable=False),
        sa.Column("refunded_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("by_card_minor + by_vouchers_minor > 0", name=op.f("ck_fee_refund_amount")),
        sa.CheckConstraint("by_card_minor >= 0 AND by_vouchers_minor >= 0", name=op.f("ck_fee_refund_parts")),
        sa.ForeignKeyConstraint(
            ["program_id", "fee_order_id"],
            ["fee_order.program_id", "fee_order.id"],
            name=op.f("fk_fee_refund_program_id_fee_order_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_fee_refund_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_fee_refund")),
    )
    with op.batch_alter_table("fee_refund", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_fee_refund_program_id_fee_order_id_id"), ["program_id", "fee_order_id", "id"], unique=False
        )

    op.create_table(
        "voucher_assignment",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=7), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("bulk_assignment_id", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=17), nullable=False),
        sa.Column("assigned_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end", sa.String(length=9), nullable=True),
        sa.CheckConstraint("(kind = 'EMAIL') = (email IS NOT NULL)", name=op.f("ck_voucher_assignment_email")),
        sa.CheckConstraint("(kind = 'LEARNER') = (learner_id IS NOT NULL)", name=op.f("ck_voucher_assignment_learner")),
        sa.CheckConstraint("(state = 'ENDED') = (ended_at IS NOT NULL)", name=op.f("ck_voucher_assignment_ended")),
        sa.CheckConstraint("kind <> 'PERSON' OR person_id IS NOT NULL", name=op.f("ck_voucher_assignment_person")),
        sa.CheckConstraint('(ended_at IS NULL) = ("end" IS NULL)', name=op.f("ck_voucher_assignment_end")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_voucher_assignment_organization_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_voucher_assignment_person_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "bulk_assignment_id"],
            ["bulk_assignment.program_id", "bulk_assignment.id"],
            name=op.f("fk_voucher_assignment_program_id_bulk_assignment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_id"],
            ["voucher.program_id", "voucher.id"],
            name=op.f("fk_voucher_assignment_program_id_voucher_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_voucher_assignment_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_voucher_assignment")),
    )
    with op.batch_alter_table("voucher_assignment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_voucher_assignment_program_id_bulk_assignment_id_id"),
            ["program_id", "bulk_assignment_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_assignment_program_id_organization_id_learner_id"),
            ["program_id", "organization_id", "learner_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_assignment_program_id_person_id"), ["program_id", "person_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_assignment_program_id_voucher_id_id"),
            ["program_id", "voucher_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_voucher_assignment_live",
            ["program_id", "voucher_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "voucher_code",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_id", sa.BigInteger(), nullable=False),
        sa.Column("code_key", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end", sa.String(length=9), nullable=True),
        sa.CheckConstraint('(ended_at IS NULL) = ("end" IS NULL)', name=op.f("ck_voucher_code_end")),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_id"],
            ["voucher.program_id", "voucher.id"],
            name=op.f("fk_voucher_code_program_id_voucher_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_voucher_code_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_voucher_code")),
        sa.UniqueConstraint("program_id", "digest", name=op.f("uq_voucher_code_program_id_digest")),
    )
    with op.batch_alter_table("voucher_code", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_voucher_code_program_id_voucher_id_id"), ["program_id", "voucher_id", "id"], unique=False
        )
        batch_op.create_index(
            "uq_voucher_code_live",
            ["program_id", "voucher_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "cart_allocation",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("cart_voucher_id", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_cart_allocation_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "cart_voucher_id"],
            ["cart_voucher.program_id", "cart_voucher.id"],
            name=op.f("fk_cart_allocation_program_id_cart_voucher_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "cart_voucher_id", "line_number", name=op.f("pk_cart_allocation")),
    )
    op.create_table(
        "fee_refund_line",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("fee_refund_id", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_fee_refund_line_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "fee_refund_id"],
            ["fee_refund.program_id", "fee_refund.id"],
            name=op.f("fk_fee_refund_line_program_id_fee_refund_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "fee_refund_id", "line_number", name=op.f("pk_fee_refund_line")),
    )
    op.create_table(
        "payment_refund",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("fee_refund_id", sa.BigInteger(), nullable=True),
        sa.Column("retries_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.String(length=60), nullable=False),
        sa.Column("gateway_reference", sa.String(length=255), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_refund_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "fee_refund_id"],
            ["fee_refund.program_id", "fee_refund.id"],
            name=op.f("fk_payment_refund_program_id_fee_refund_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "payment_id"],
            ["payment.program_id", "payment.id"],
            name=op.f("fk_payment_refund_program_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "retries_id"],
            ["payment_refund.program_id", "payment_refund.id"],
            name=op.f("fk_payment_refund_program_id_retries_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_payment_refund")),
        sa.UniqueConstraint("program_id", "reference", name=op.f("uq_payment_refund_program_id_reference")),
        sa.UniqueConstraint("program_id", "retries_id", name=op.f("uq_payment_refund_program_id_retries_id")),
    )
    with op.batch_alter_table("payment_refund", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payment_refund_program_id_payment_id"), ["program_id", "payment_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_payment_refund_state_asked_at"), ["state", "asked_at"], unique=False)

    op.create_table(
        "redemption",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("fee_order_id", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=False),
        sa.Column("voucher_id", sa.BigInteger(), nullable=True),
        sa.Column("promotion_id", sa.BigInteger(), nullable=True),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("billing_agreement_id", sa.BigInteger(), nullable=True),
        sa.Column("assignment_id", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reversed_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("redeemed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(voucher_id IS NULL) <> (promotion_id IS NULL)", name=op.f("ck_redemption_subject")),
        sa.CheckConstraint(
            "amount_minor > 0 AND reversed_minor BETWEEN 0 AND amount_minor", name=op.f("ck_redemption_amount")
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_redemption_organization_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "assignment_id"],
            ["voucher_assignment.program_id", "voucher_assignment.id"],
            name=op.f("fk_redemption_program_id_assignment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "billing_agreement_id"],
            ["billing_agreement.program_id", "billing_agreement.id"],
            name=op.f("fk_redemption_program_id_billing_agreement_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "fee_order_id", "line_number"],
            ["fee_order_line.program_id", "fee_order_line.fee_order_id", "fee_order_line.number"],
            name=op.f("fk_redemption_program_id_fee_order_id_line_number"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "promotion_id"],
            ["promotion.program_id", "promotion.id"],
            name=op.f("fk_redemption_program_id_promotion_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_id"],
            ["voucher.program_id", "voucher.id"],
            name=op.f("fk_redemption_program_id_voucher_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_redemption_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_redemption")),
    )
    with op.batch_alter_table("redemption", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_redemption_program_id_billing_agreement_id_redeemed_at"),
            ["program_id", "billing_agreement_id", "redeemed_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_redemption_program_id_fee_order_id_line_number"),
            ["program_id", "fee_order_id", "line_number"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_redemption_program_id_organization_id_redeemed_at_id"),
            ["program_id", "organization_id", "redeemed_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_redemption_program_id_promotion_id_id"), ["program_id", "promotion_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_redemption_program_id_voucher_id_id"), ["program_id", "voucher_id", "id"], unique=False
        )

    op.create_table(
        "voucher_invitation",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_assignment_id", sa.BigInteger(), nullable=False),
        sa.Column("code_key", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("reminded_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end", sa.String(length=9), nullable=True),
        sa.CheckConstraint('(ended_at IS NULL) = ("end" IS NULL)', name=op.f("ck_voucher_invitation_end")),
        sa.CheckConstraint("(ended_at IS NULL) = (sealed IS NOT NULL)", name=op.f("ck_voucher_invitation_sealed")),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_assignment_id"],
            ["voucher_assignment.program_id", "voucher_assignment.id"],
            name=op.f("fk_voucher_invitation_program_id_voucher_assignment_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_voucher_invitation_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_voucher_invitation")),
        sa.UniqueConstraint("program_id", "digest", name=op.f("uq_voucher_invitation_program_id_digest")),
    )
    with op.batch_alter_table("voucher_invitation", schema=None) as batch_op:
        batch_op.create_index(
            "ix_voucher_invitation_due",
            ["program_id", "expires_at", "id"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_voucher_invitation_program_id_voucher_assignment_id_id"),
            ["program_id", "voucher_assignment_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_voucher_invitation_live",
            ["program_id", "voucher_assignment_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "outbox_message",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("voucher_invitation_id", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(length=64), nullable=True),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'WAITING') = (ended_at IS NULL)", name=op.f("ck_outbox_message_ended")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_outbox_message_attempts")),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_invitation_id"],
            ["voucher_invitation.program_id", "voucher_invitation.id"],
            name=op.f("fk_outbox_message_program_id_voucher_invitation_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_outbox_message_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_outbox_message")),
    )
    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox_message_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index(
            batch_op.f("ix_outbox_message_program_id_voucher_invitation_id"),
            ["program_id", "voucher_invitation_id"],
            unique=False,
        )

    op.create_table(
        "redemption_reversal",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("redemption_id", sa.BigInteger(), nullable=False),
        sa.Column("fee_refund_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("restored_minor", sa.BigInteger(), nullable=False),
        sa.Column("reversed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "amount_minor > 0 AND restored_minor BETWEEN 0 AND amount_minor", name=op.f("ck_redemption_reversal_amount")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "fee_refund_id"],
            ["fee_refund.program_id", "fee_refund.id"],
            name=op.f("fk_redemption_reversal_program_id_fee_refund_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "redemption_id"],
            ["redemption.program_id", "redemption.id"],
            name=op.f("fk_redemption_reversal_program_id_redemption_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_redemption_reversal_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_redemption_reversal")),
    )
    with op.batch_alter_table("redemption_reversal", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_redemption_reversal_program_id_fee_refund_id"), ["program_id", "fee_refund_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_redemption_reversal_program_id_redemption_id_id"),
            ["program_id", "redemption_id", "id"],
            unique=False,
        )

    op.create_table(
        "ledger_entry",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("debit", sa.String(length=23), nullable=False),
        sa.Column("credit", sa.String(length=23), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=True),
        sa.Column("voucher_order_id", sa.BigInteger(), nullable=True),
        sa.Column("voucher_id", sa.BigInteger(), nullable=True),
        sa.Column("promotion_id", sa.BigInteger(), nullable=True),
        sa.Column("redemption_id", sa.BigInteger(), nullable=True),
        sa.Column("fee_order_id", sa.BigInteger(), nullable=True),
        sa.Column("statement_id", sa.BigInteger(), nullable=True),
        sa.Column("redemption_reversal_id", sa.BigInteger(), nullable=True),
        sa.Column("fee_refund_id", sa.BigInteger(), nullable=True),
        sa.Column("payment_refund_id", sa.BigInteger(), nullable=True),
        sa.Column("reverses_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(event = 'REVERSAL') = (reverses_id IS NOT NULL)", name=op.f("ck_ledger_entry_reversal")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_ledger_entry_amount")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_ledger_entry_two_accounts")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_ledger_entry_organization_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "fee_order_id"],
            ["fee_order.program_id", "fee_order.id"],
            name=op.f("fk_ledger_entry_program_id_fee_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "fee_refund_id"],
            ["fee_refund.program_id", "fee_refund.id"],
            name=op.f("fk_ledger_entry_program_id_fee_refund_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "payment_refund_id"],
            ["payment_refund.program_id", "payment_refund.id"],
            name=op.f("fk_ledger_entry_program_id_payment_refund_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "promotion_id"],
            ["promotion.program_id", "promotion.id"],
            name=op.f("fk_ledger_entry_program_id_promotion_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "redemption_id"],
            ["redemption.program_id", "redemption.id"],
            name=op.f("fk_ledger_entry_program_id_redemption_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "redemption_reversal_id"],
            ["redemption_reversal.program_id", "redemption_reversal.id"],
            name=op.f("fk_ledger_entry_program_id_redemption_reversal_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "reverses_id"],
            ["ledger_entry.program_id", "ledger_entry.id"],
            name=op.f("fk_ledger_entry_program_id_reverses_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "statement_id"],
            ["statement.program_id", "statement.id"],
            name=op.f("fk_ledger_entry_program_id_statement_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_id"],
            ["voucher.program_id", "voucher.id"],
            name=op.f("fk_ledger_entry_program_id_voucher_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "voucher_order_id"],
            ["voucher_order.program_id", "voucher_order.id"],
            name=op.f("fk_ledger_entry_program_id_voucher_order_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_ledger_entry_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_ledger_entry")),
        sa.UniqueConstraint(
            "program_id", "payment_refund_id", name=op.f("uq_ledger_entry_program_id_payment_refund_id")
        ),
    )
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_ledger_entry_program_id_promotion_id_id"), ["program_id", "promotion_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_ledger_entry_program_id_recorded_at_id"), ["program_id", "recorded_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_ledger_entry_program_id_redemption_id_id"),
            ["program_id", "redemption_id", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_ledger_entry_program_id_reverses_id"), ["program_id", "reverses_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_ledger_entry_program_id_voucher_id_id"), ["program_id", "voucher_id", "id"], unique=False
        )
        batch_op.create_index(
            "uq_ledger_entry_once_an_order",
            ["program_id", "voucher_order_id", "event"],
            unique=True,
            sqlite_where=sa.text("event IN ('PURCHASE_PAID', 'ORDER_APPROVED', 'ORDER_SETTLED')"),
            postgresql_where=sa.text("event IN ('PURCHASE_PAID', 'ORDER_APPROVED', 'ORDER_SETTLED')"),
        )

    op.create_table(
        "statement_line",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("statement_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("redemption_id", sa.BigInteger(), nullable=True),
        sa.Column("redemption_reversal_id", sa.BigInteger(), nullable=True),
        sa.Column("brought_forward_id", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(redemption_id IS NOT NULL AND redemption_reversal_id IS NULL AND brought_forward_id IS NULL AND amount_minor > 0) OR (redemption_id IS NULL AND amount_minor < 0 AND (redemption_reversal_id IS NULL) <> (brought_forward_id IS NULL))",
            name=op.f("ck_statement_line_subject"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "brought_forward_id"],
            ["statement.program_id", "statement.id"],
            name=op.f("fk_statement_line_program_id_brought_forward_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "redemption_id"],
            ["redemption.program_id", "redemption.id"],
            name=op.f("fk_statement_line_program_id_redemption_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "redemption_reversal_id"],
            ["redemption_reversal.program_id", "redemption_reversal.id"],
            name=op.f("fk_statement_line_program_id_redemption_reversal_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "statement_id"],
            ["statement.program_id", "statement.id"],
            name=op.f("fk_statement_line_program_id_statement_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "statement_id", "number", name=op.f("pk_statement_line")),
        sa.UniqueConstraint(
            "program_id", "brought_forward_id", name=op.f("uq_statement_line_program_id_brought_forward_id")
        ),
        sa.UniqueConstraint("program_id", "redemption_id", name=op.f("uq_statement_line_program_id_redemption_id")),
        sa.UniqueConstraint(
            "program_id", "redemption_reversal_id", name=op.f("uq_statement_line_program_id_redemption_reversal_id")
        ),
    )
    if op.get_bind().dialect.name == "sqlite":
        # A batch would copy the table and drop the old one, to which its own sessions refer.
        op.execute(
            "ALTER TABLE token ADD COLUMN program_id BIGINT CONSTRAINT fk_token_program_id REFERENCES program (id)"
            " CONSTRAINT ck_token_program CHECK ((role = 'PROGRAM') = (program_id IS NOT NULL))"
        )
    else:
        op.add_column("token", sa.Column("program_id", sa.BigInteger(), nullable=True))
        op.create_foreign_key(op.f("fk_token_program_id"), "token", "program", ["program_id"], ["id"])
        op.create_check_constraint(op.f("ck_token_program"), "token", "(role = 'PROGRAM') = (program_id IS NOT NULL)")

    for table in (
        "voucher_program_product",
        "promotion_product",
        "gateway_notice",
        "ledger_entry",
        "fee_order",
        "program_key",
        "statement_line",
        "fee_refund",
        "fee_refund_line",
        "redemption_reversal",
    ):
        make_append_only(table)
    make_append_only_but_erasable("program_event", "said")
    make_append_only_but_counting("fee_order_line", "refunded_minor")
    make_append_only_but_counting("redemption", "reversed_minor")


def downgrade() -> None:
    raise RuntimeError("history is not thrown away: restore a backup from before this migration instead")
