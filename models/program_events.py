"""What was done to a thing of a program: who, when, from where, and what it was before and after. Insert-only."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled

WIDTH = 40


class ProgramThing(Enum):
    """What an event is about. Its key is the `id` of the row of that table."""

    PROGRAM = "the program itself"
    PRODUCT = "a product"
    VOUCHER_PROGRAM = "a voucher program"
    VOUCHER_ORDER = "an order of vouchers"
    VOUCHER = "a voucher"
    AGREEMENT = "an agreement to be billed later"
    PROMOTION = "a promotion"
    COHORT = "a cohort, to whose people vouchers are assigned at once"
    CART = "a cart, until it was paid"
    FEE_ORDER = "fees that somebody paid"
    STATEMENT = "a statement of what was redeemed, to be billed"


class ProgramDeed(Enum):
    """What was done."""

    DEFINED = "it was defined"
    PRICE_CHANGED = "its price was changed"
    RETIRED = "it can be bought or used no more"
    AGREED = "an organization may be billed later, up to a cap"
    CAP_CHANGED = "the cap was changed"
    AGREEMENT_ENDED = "the agreement was ended"
    ORDERED = "it was ordered"
    ORDER_APPROVED = "the purchase order was approved"
    ORDER_REJECTED = "the purchase order was not approved"
    ORDER_SETTLED = "it was paid"
    ORDER_DECLINED = "the card was declined"
    ORDER_CANCELLED = "it was cancelled"
    PAYMENT_UNKNOWN = "the gateway did not answer"
    REFUNDED = "money was given back"
    PAID_ANEW = "another card is tried, as the one before was declined"
    REFUND_REFUSED = "the gateway refused to give money back: it is owed"
    REFUND_RETRIED = "the gateway is asked again to give back what it had refused"
    REFUND_MADE_GOOD = "what the gateway had refused was given back"
    ISSUED = "it was issued"
    CODES_REVEALED = "its code was shown to its owner"
    ASSIGNED = "it was assigned"
    INVITED = "an e-mail with a link was sent"
    REMINDED = "whom it was sent to was reminded"
    LINK_EXPIRED = "nobody followed the link in time"
    BOUNCED = "the e-mail could not be delivered"
    CLAIMED = "it was claimed"
    CLAIM_AWAITS_APPROVAL = "it was claimed by an account of another address: the organization decides"
    CLAIM_APPROVED = "the claim by an account of another address was approved"
    CLAIM_REFUSED = "the claim by an account of another address was refused"
    ASSIGNEE_ERASED = "what named its assignee was erased"
    ASSIGNMENT_CANCELLED = "its assignment was cancelled"
    REISSUED = "it was given another code: the old one is dead"
    REVOKED = "it was revoked"
    EXTENDED = "it expires later"
    EXPIRED = "it expired"
    FLAGGED = "its assignee has left the organization"
    REDEEMED = "it paid a fee"
    REVERSED = "a redemption was reversed"
    STATEMENT_CLOSED = "the statement was closed: what it holds is due"
    STATEMENT_PAID = "the statement was paid"
    CART_OPENED = "it was opened"
    LINES_SET = "what is to be paid for was changed"
    APPLIED = "a voucher was applied"
    REMOVED = "a voucher was taken off"
    HOLD_ENDED = "what was held for it was released"
    ABANDONED = "it was given up"
    COMPLETED = "it was paid, and there is an order"
    CHECKOUT_DECLINED = "its payment was declined"
    CHECKOUT_CANCELLED = "its payment was given up before anything was charged"
    COHORT_PREVIEWED = "it was shown who would be given a voucher"
    COHORT_ASSIGNED = "its people were given vouchers"
    COHORT_UNDONE = "vouchers were taken back from its people"
    COHORT_STARTED = "it assigns by itself"
    COHORT_STOPPED = "it assigns by itself no more"
    BUDGET_SET = "its budget was set"


class ProgramEvent(Base):
    """One thing done. The text that a person wrote may be erased with them; nothing else ever changes."""

    __tablename__ = "program_event"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    recorded_at: Mapped[Moment]
    thing: Mapped[ProgramThing] = mapped_column(Spelled(ProgramThing, WIDTH))
    thing_id: Mapped[Key]
    deed: Mapped[ProgramDeed] = mapped_column(Spelled(ProgramDeed, WIDTH))
    actor: Mapped[str] = mapped_column(String(200))
    # From where: an address, the command line, the worker.
    origin: Mapped[str] = mapped_column(String(100))
    said: Mapped[str | None] = mapped_column(Text)
    before: Mapped[str | None] = mapped_column(String(200))
    after: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (Index(None, "program_id", "thing", "thing_id", "id"),)
