"""vouchers: programs, products, orders, payments, vouchers, codes, assignments, redemptions, the ledger"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from models.migrations.append_only import make_append_only, make_append_only_but_erasable

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
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
        "billing_agreement",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("cap_minor", sa.BigInteger(), nullable=False),
        sa.Column("unbilled_minor", sa.BigInteger(), nullable=False),
        sa.Column("unpaid_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_minor", sa.BigInteger(), nullable=False),
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
    )
    with op.batch_alter_table("billing_agreement", schema=None) as batch_op:
        batch_op.create_index(
            "uq_billing_agreement_current",
            ["program_id", "organization_id", "currency"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "fee_order",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.String(length=100), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("by_vouchers_minor", sa.BigInteger(), nullable=False),
        sa.Column("by_card_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("by_vouchers_minor + by_card_minor = total_minor", name=op.f("ck_fee_order_total")),
        sa.CheckConstraint("by_vouchers_minor >= 0 AND by_card_minor >= 0", name=op.f("ck_fee_order_parts")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_fee_order_person_id")),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_fee_order_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_fee_order")),
    )
    with op.batch_alter_table("fee_order", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_fee_order_program_id_completed_at_id"), ["program_id", "completed_at", "id"], unique=False
        )

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
        "fee_order_line",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("fee_order_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0 AND unit_price_minor >= 0", name=op.f("ck_fee_order_line_amount")),
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
        "payment",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("voucher_order_id", sa.BigInteger(), nullable=True),
        sa.Column("gateway", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=60), nullable=False),
        sa.Column("gateway_reference", sa.String(length=255), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_amount")),
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
            batch_op.f("ix_payment_program_id_voucher_order_id"), ["program_id", "voucher_order_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_payment_state_asked_at"), ["state", "asked_at"], unique=False)

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
        "payment_refund",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=60), nullable=False),
        sa.Column("gateway_reference", sa.String(length=255), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_refund_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "payment_id"],
            ["payment.program_id", "payment.id"],
            name=op.f("fk_payment_refund_program_id_payment_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_payment_refund")),
        sa.UniqueConstraint("program_id", "reference", name=op.f("uq_payment_refund_program_id_reference")),
    )
    with op.batch_alter_table("payment_refund", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payment_refund_program_id_payment_id"), ["program_id", "payment_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_payment_refund_state_asked_at"), ["state", "asked_at"], unique=False)

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
            ["program_id", "voucher_id"],
            ["voucher.program_id", "voucher.id"],
            name=op.f("fk_voucher_assignment_program_id_voucher_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name=op.f("fk_voucher_assignment_program_id")),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_voucher_assignment")),
    )
    with op.batch_alter_table("voucher_assignment", schema=None) as batch_op:
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
        "redemption",
        sa.Column("program_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("fee_order_id", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=False),
        sa.Column("voucher_id", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("assignment_id", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("redeemed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_redemption_amount")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_redemption_organization_id")),
        sa.ForeignKeyConstraint(
            ["program_id", "assignment_id"],
            ["voucher_assignment.program_id", "voucher_assignment.id"],
            name=op.f("fk_redemption_program_id_assignment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "fee_order_id", "line_number"],
            ["fee_order_line.program_id", "fee_order_line.fee_order_id", "fee_order_line.number"],
            name=op.f("fk_redemption_program_id_fee_order_id_line_number"),
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
            batch_op.f("ix_redemption_program_id_voucher_id_id"), ["program_id", "voucher_id", "id"], unique=False
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
            ["program_id", "reverses_id"],
            ["ledger_entry.program_id", "ledger_entry.id"],
            name=op.f("fk_ledger_entry_program_id_reverses_id"),
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
        "fee_order_line",
        "redemption",
        "program_key",
    ):
        make_append_only(table)
    make_append_only_but_erasable("program_event", "said")


def downgrade() -> None:
    raise RuntimeError("history is not thrown away: restore a backup from before this migration instead")
