"""Every refusal the domain makes. Each holds its facts; its message is a sentence that a person can act on.

DomainError
├── NotFound            no such thing, or not yours to see: the two are never told apart
├── NotAllowed          seen, but not yours to change
├── QuestionError       a question that cannot be answered as asked (dates, zones, cursors, page sizes)
├── OrganizationError   an organization, a team or a library that cannot be made as asked
├── HistoryError        a fact that does not fit what is known of a learner
├── RosterError         an import that cannot go on
├── MoneyError          an amount or a currency that cannot be
├── RepeatError         a money mutation whose idempotency key was used for something else
├── BillingError        a contract term, a snapshot, an exclusion, an invoice or an adjustment that cannot be
├── DisputeError        a step that a dispute cannot take
├── EvidenceError       a proof that cannot be made
├── VoucherError        a product, an order, a voucher or an assignment that cannot be as asked
└── ErasureError        personal data that cannot be erased, yet
"""

from __future__ import annotations

import datetime as dt
from enum import Enum


class DomainError(Exception):
    """Its code is a member of its domain's enum; `field` is the path of the input at fault, as the client wrote it."""

    def __init__(self, code: Enum, message: str, *field: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = list(field)


class AccessErrorCode(Enum):
    NOT_FOUND = "There is no such thing, or it is not yours to see. Check the id, and who you are signed in as."
    NOT_ALLOWED = "You may see this but not change it. Ask somebody who may."


class NotFound(DomainError):
    def __init__(self, what: str, *field: str) -> None:
        super().__init__(AccessErrorCode.NOT_FOUND, f"There is no {what} of that id that you may see.", *field)


class NotAllowed(DomainError):
    def __init__(self, message: str, *field: str) -> None:
        super().__init__(AccessErrorCode.NOT_ALLOWED, message, *field)


# -------------------------------------------------------------------------------------------- questions


class QuestionErrorCode(Enum):
    EMPTY_RANGE = "The range ends before or where it starts. Swap its ends, or ask about a moment instead."
    DATE_OUT_OF_RANGE = "The date is outside 1900-01-01 through 2199-12-31. Check its year."
    DAY_DOES_NOT_EXIST = "The clocks of the organization's zone skipped this whole day. Ask about its neighbours."
    RANGE_TOO_LONG = "A daily series takes at most 1,100 days, a simulation 36 months. Ask in several parts."
    KNOWN_AT_IN_FUTURE = "Nothing is known yet as of a future moment. Leave knownAt out to ask as known now."
    BAD_CURSOR = "The cursor is not one of this list, in this order. Start again without it."
    BAD_PAGE_SIZE = "A page holds 1 to 100 rows. Ask for the next ones with a cursor."
    TOO_MANY_SCOPES = "A list is of one team or library, or of two at once. Ask for more in several lists."
    BAD_ID = "This is not an id that this API gave out, or it is the id of another kind of thing."


class QuestionError(DomainError):
    pass


class EmptyRange(QuestionError):
    def __init__(self, first: object, last: object, *field: str) -> None:
        super().__init__(
            QuestionErrorCode.EMPTY_RANGE, f"The range {first} .. {last} is empty: it must end after it starts.", *field
        )


class DateOutOfRange(QuestionError):
    def __init__(self, date: object, *field: str) -> None:
        super().__init__(
            QuestionErrorCode.DATE_OUT_OF_RANGE,
            f"{date} is outside 1900-01-01 through 2199-12-31. Check its year.",
            *field,
        )


class DayDoesNotExist(QuestionError):
    def __init__(self, day: dt.date, zone: str, *field: str) -> None:
        super().__init__(
            QuestionErrorCode.DAY_DOES_NOT_EXIST,
            f"The clocks of {zone} skipped {day}: no moment belongs to that day.",
            *field,
        )


class RangeTooLong(QuestionError):
    def __init__(self, asked_days: int, most_days: int, *field: str) -> None:
        super().__init__(
            QuestionErrorCode.RANGE_TOO_LONG,
            f"{asked_days:,} days were asked for; a daily series takes at most {most_days:,}.",
            *field,
        )


class KnownAtInFuture(QuestionError):
    def __init__(self, known_at: dt.datetime, *field: str) -> None:
        super().__init__(
            QuestionErrorCode.KNOWN_AT_IN_FUTURE,
            f"knownAt {known_at.isoformat()} lies in the future. Leave it out to ask as known now.",
            *field,
        )


class BadCursor(QuestionError):
    def __init__(self, *field: str) -> None:
        super().__init__(
            QuestionErrorCode.BAD_CURSOR,
            "This cursor is not one of this list in this order. Start again without it.",
            *field,
        )


class BadPageSize(QuestionError):
    def __init__(self, message: str, *field: str) -> None:
        super().__init__(QuestionErrorCode.BAD_PAGE_SIZE, message, *field)


class BadId(QuestionError):
    def __init__(self, wanted: str, *field: str) -> None:
        super().__init__(QuestionErrorCode.BAD_ID, f"This is not the id of a {wanted} that this API gave out.", *field)


# ---------------------------------------------------------------------------------------- organizations


class OrganizationErrorCode(Enum):
    UNKNOWN_ZONE = "This is not an IANA time zone. Use a name such as America/Chicago or UTC."
    SLUG_TAKEN = "Another organization has this slug. Give one of your own."
    BAD_NAME = "A name has 1 to 200 printable characters."


class OrganizationError(DomainError):
    def __init__(self, code: OrganizationErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)


# ---------------------------------------------------------------------------------------------- history


class HistoryErrorCode(Enum):
    ALREADY_ACTIVE = "The learner is active then. To change since when, correct the window."
    ALREADY_DEACTIVATED = "The learner was deactivated at another moment. To change it, correct the window."
    NOT_ACTIVE = "The learner is not active then, so cannot be deactivated then."
    END_REQUIRED = "A later window exists, so say until when this one lasted, or correct the later one's start."
    EMPTY_INTERVAL = "What was given ends before or where it starts."
    REASON_REQUIRED = "A correction needs a reason, in words that an auditor will understand."
    NOT_A_MEMBER = "The learner is not a member of that team then."
    WHICH_TEAM = "The learner is a member of several teams, so say which one is left."
    NO_ACCESS = "The learner has no access to that library then."
    ACCESS_ALREADY_ENDED = "Access ended at another moment."
    SAME_ORGANIZATION = "A transfer goes to another organization; to change teams, move the learner."
    NAME_REQUIRED = "Give a name that is not empty."
    EXTERNAL_ID_TAKEN = "Another learner of the organization has this external id."
    DATE_OUT_OF_RANGE = "The date is outside 1900-01-01 through 2199-12-31."
    NOT_FOUND = "There is no such thing, or it is not yours. Check the id."
    BAD_ID = "This is not an id that this API gave out, or it is the id of another kind of thing."
    NOT_A_WINDOW = "What is known of the learner has changed since you saw this window. Look again."
    ERASED = "This person was erased, and nothing about them is recorded again. Somebody else needs a new external id."
    START_REQUIRED = "Say from when on: nothing is known yet that could be kept."
    BAD_NAME = "A name has 1 to 200 printable characters."
    ASKED_TOO_OFTEN = "Too many people who have no account were named. The message says when to try again."


class HistoryError(DomainError):
    def __init__(self, code: HistoryErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)


# ----------------------------------------------------------------------------------------------- roster


class RosterErrorCode(Enum):
    NOT_TEXT = "The file is not UTF-8 text in CSV form. Save it as CSV UTF-8."
    HEADER_MISSING = "A column that is needed is not in the header line. Add it, or map another to it."
    HEADER_DUPLICATE = "Two columns have the same name. Rename one."
    UNKNOWN_ORGANIZATION = "There is no such organization."
    LINE_TOO_LONG = "A line is longer than 64 KiB. Is a quotation mark missing?"
    EMPTY = "The file has no header line. Is it the right file?"
    ALREADY_RUNNING = "Another process is importing the same file. Wait for it, or stop it and run this again."
    BATCH_TOO_LARGE = "A batch holds 1 to 250 rows. Send the others in the next one."
    BAD_IMPORT_ID = "An import id has 1 to 100 printable characters. It is chosen by whoever sends the rows."
    ROW_NUMBER_TAKEN = "A row number stands for one row. Give each row of a batch a number of its own, from 1."
    NOT_COMPLETE = "Lines were refused, so the file does not name everybody. Mend them, then close who is absent."
    PREVIEW_CHANGED = "What would be closed is not what was previewed. Look at the new preview and confirm that one."


class RosterError(DomainError):
    def __init__(self, code: RosterErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)


# ------------------------------------------------------------------------------------------------ money


class MoneyErrorCode(Enum):
    UNKNOWN_CURRENCY = "This is not an ISO 4217 currency. Use a code such as USD."
    BAD_AMOUNT = "The amount has more decimals than its currency, or is too large."


class MoneyError(DomainError):
    def __init__(self, code: MoneyErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)


class RepeatErrorCode(Enum):
    IDEMPOTENCY_KEY_REUSED = "The key was used for another input. Use a new key for a new request."
    BAD_IDEMPOTENCY_KEY = "An idempotency key has 1 to 100 printable characters. A UUID will do."


class RepeatError(DomainError):
    def __init__(self, code: RepeatErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)


# ---------------------------------------------------------------------------------------------- billing


class BillingErrorCode(Enum):
    TERM_OVERLAPS = "Another term of the product is in force then. Amend or end that one."
    EMPTY_TERM = "The term ends before it starts."
    NOT_IN_TERM = "The day is not within the term."
    BAD_QUANTITY = "A quantity is a whole number that is not negative."
    NOT_YET = "What would be counted has not all happened yet. Wait for the cutoff, or ask about an earlier date."
    NOT_A_PRODUCT = "A product is the organization's seats or one of its libraries."
    ALREADY_EXCLUDED = "The learner is excluded then already."
    NOT_EXCLUDED = "The learner is not excluded then."
    EMPTY_INTERVAL = "What was given ends before or where it starts."
    REASON_REQUIRED = "Give a reason, in words that an auditor will understand."
    NOTHING_TO_BILL = "No snapshot of that date has an overage that is not on an invoice yet."
    WRONG_STATE = "The invoice is not in a state in which this can be done."
    CHALLENGE_RUNS = "The challenge window has not ended. Wait, or let the client accept the lines."
    BAD_CHALLENGE_DAYS = "A challenge window has 1 to 90 days."
    ALREADY_ACCEPTED = "The client has accepted this line."
    EXCEEDS_DUE = "The payment is more than is due."
    WRONG_CURRENCY = "The invoice is in another currency, and currencies never mix."
    REFERENCE_REQUIRED = "Give the payment's reference, by which it is found in the bank's records."
    NOT_ABOVE_MINIMUM = "Everybody who may be counted is counted and billed already."
    NO_DIFFERENCE = "What is known now would have been billed just so."
    NOT_BILLED = "The snapshot is not on an issued invoice, so there is nothing to adjust."
    ALREADY_APPROVED = "This was approved already."
    SUPERSEDED = "What is billed has changed since this adjustment was found. Find it again."
    UNKNOWN_CURRENCY = MoneyErrorCode.UNKNOWN_CURRENCY.value
    BAD_AMOUNT = MoneyErrorCode.BAD_AMOUNT.value
    IDEMPOTENCY_KEY_REUSED = RepeatErrorCode.IDEMPOTENCY_KEY_REUSED.value
    BAD_IDEMPOTENCY_KEY = RepeatErrorCode.BAD_IDEMPOTENCY_KEY.value
    DATE_OUT_OF_RANGE = "The date is outside 1900-01-01 through 2199-12-31."
    KNOWN_AT_IN_FUTURE = QuestionErrorCode.KNOWN_AT_IN_FUTURE.value
    NOT_FOUND = "There is no such thing, or it is not yours. Check the id."
    NOT_ALLOWED = AccessErrorCode.NOT_ALLOWED.value
    BAD_ID = "This is not an id that this API gave out, or it is the id of another kind of thing."


class BillingError(DomainError):
    def __init__(self, code: BillingErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)


class DisputeErrorCode(Enum):
    LINE_ACCEPTED = "The line was accepted, so it cannot be disputed."
    LINE_IN_DISPUTE = "The line is in dispute already."
    WRONG_STATE = "The dispute is not in a state in which this can be done."
    NOT_ISSUED = "The invoice has not been shown to the client yet, so there is nothing to dispute."
    BAD_QUANTITY = "More is disputed or credited than the line holds."
    EMPTY = "Give at least one line, and each line once."
    TWO_SNAPSHOTS = "One dispute is about the lines of one snapshot. Open another for the others."
    REASON_REQUIRED = "Give a reason, in words that both sides will understand."
    BAD_NAME = "A name has 1 to 200 printable characters."
    BAD_MINUTES = "Minutes of work are a whole number from 1 to 10,000."
    DATE_OUT_OF_RANGE = "The date is outside 1900-01-01 through 2199-12-31."
    IDEMPOTENCY_KEY_REUSED = RepeatErrorCode.IDEMPOTENCY_KEY_REUSED.value
    BAD_IDEMPOTENCY_KEY = RepeatErrorCode.BAD_IDEMPOTENCY_KEY.value
    NOT_FOUND = "There is no such thing, or it is not yours. Check the id."
    NOT_ALLOWED = AccessErrorCode.NOT_ALLOWED.value
    BAD_ID = "This is not an id that this API gave out, or it is the id of another kind of thing."


class DisputeError(DomainError):
    def __init__(self, code: DisputeErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)


class EvidenceErrorCode(Enum):
    NOT_SEALED = "The snapshot is not sealed yet. Try again in a moment."
    NO_SIGNING_KEY = "The server has no signing key. Whoever runs it makes one: python3 -m server keys new."
    NOT_FOUND = "There is no such thing, or it is not yours. Check the id."
    NOT_ALLOWED = AccessErrorCode.NOT_ALLOWED.value
    BAD_ID = "This is not an id that this API gave out, or it is the id of another kind of thing."


class EvidenceError(DomainError):
    def __init__(self, code: EvidenceErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)


class ErasureErrorCode(Enum):
    IN_DISPUTE = "The person is named in an open dispute, which holds the erasure. Close it first."
    ALREADY_ERASED = "The personal data of this learner is erased already."
    REASON_REQUIRED = "Give a reason, without personal data in it."
    PREVIEW_CHANGED = "What would be erased is not what was previewed. Look at the new preview and confirm that one."
    NOT_FOUND = "There is no such thing, or it is not yours. Check the id."
    NOT_ALLOWED = AccessErrorCode.NOT_ALLOWED.value
    BAD_ID = "This is not an id that this API gave out, or it is the id of another kind of thing."


class ErasureError(DomainError):
    def __init__(self, code: ErasureErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)


# --------------------------------------------------------------------------------------------- vouchers


class VoucherErrorCode(Enum):
    BAD_NAME = "A name has 1 to 200 printable characters."
    BAD_SLUG = "A slug has 1 to 100 lower-case letters, digits and hyphens."
    BAD_CODE = "A code has 1 to 40 printable characters without spaces."
    TAKEN = "Another one has this name, slug or code. Give one of its own."
    UNKNOWN_ZONE = "This is not an IANA time zone. Use a name such as America/Chicago or UTC."
    BAD_QUANTITY = "An order is of 1 to 10,000 vouchers."
    BAD_TERMS = "What was given does not make terms that can be kept. The message says which."
    STOPPED = "This can be bought no more."
    AMOUNT_MUST_EQUAL_TOTAL = "The amount must equal quantity times price, to the cent. Nothing was issued or charged."
    FUNDING_NOT_TAKEN = "This voucher program does not take that way to pay."
    NO_AGREEMENT = "The organization has no agreement with the program to be billed later in that currency."
    OVER_CAP = "What is unbilled, unpaid and held would be more than the cap. Nothing was redeemed."
    WRONG_STATE = "The order is not in a state in which this can be done."
    IN_USE = "Something of it was redeemed or is held, so this cannot be done."
    NO_GATEWAY = "The server has no payment gateway. Pay by purchase order, or ask whoever runs it."
    GATEWAY_NOT_CONNECTED = "This gateway is known by name only, and cannot charge anything yet. Pay in another way."
    PAYMENT_METHOD_REQUIRED = "This gateway charges a card that its own script has read. Give the method it made."
    PAYMENT_TAKEN = "Another payment has this reference. Give the one by which this money is found in the records."
    CARD_DECLINED = "The card was declined. Nothing was issued or charged. Pay again, with another card."
    REQUEST_IN_FLIGHT = "The same request is being worked on. Ask again in a moment with the same key."
    REFERENCE_REQUIRED = "Give the reference by which it is found in the records, of 1 to 100 printable characters."
    REASON_REQUIRED = "Give a reason, in words that an auditor will understand."
    NOT_REFUNDABLE = "The voucher program gives nothing back for this, or not any more."
    NO_CODE_KEYS = "The server has no key for codes. Whoever runs it makes one: python3 -m server keys codes."
    CODE_NOT_USABLE = "This code cannot be used."
    TOO_MANY_ATTEMPTS = "Too many codes that cannot be used were tried. The message says when to try again."
    VOUCHER_DOES_NOT_FIT = "The voucher may not pay for this product."
    VOUCHER_EXCEEDS_DUE = "More was to be taken from the voucher than is due."
    VOUCHER_DOES_NOT_FIT_CART = "The voucher can be used, but pays nothing on this cart. The message says which rule."
    VOUCHER_HELD = "Another cart holds the voucher. Try again when that one is paid or given up."
    STALE_CART = "The cart has changed since it was seen. Look at it as it is now, and decide again."
    CART_COMPLETING = "The cart is being paid. Wait until the payment is decided."
    CART_CLOSED = "The cart is paid or was given up, so it cannot be changed. Open another."
    PRICE_CHANGED = "The price of a line is another than was seen. Set the lines again to see it. Nothing was charged."
    VOUCHER_ENDED = "A voucher on the cart can be used no more. Take it off. Nothing was charged."
    EXPECTED_DUE_MISMATCH = "Another amount is due than was expected. The message says both. Nothing was charged."
    BAD_LINES = "A cart has 1 to 50 lines, each of 1 to 1,000 of a product that is sold in the cart's currency."
    TOO_MANY_VOUCHERS = "A cart takes at most 10 vouchers. Take one off first."
    ONE_PROMOTION = "A cart takes one promotion. Take the other off first."
    GATEWAY_TAKES_NO_VOUCHERS = "Payments through this gateway take no vouchers."
    UNKNOWN_GATEWAY = "There is no such gateway here."
    PROMOTION_FULL = "The promotion is used up."
    PROMOTION_BUSY = "Others are just using what is left of the promotion. Try again in a moment."
    PROMOTION_LIMIT_PER_PERSON = "You have used this promotion as often as one person may."
    NOT_LIVE = "The voucher is spent, expired, revoked or given back."
    ALREADY_ASSIGNED = "The voucher is assigned. Reissue it first: then its old code is dead."
    NOT_ASSIGNED = "The voucher is assigned to nobody."
    NOT_ENTITLED = "The organization may pay only for its learners, and for whom it is responsible party."
    FIRST_ASSIGNEE_ONLY = "These vouchers stay with whom they were first assigned to."
    OUT_OF_STOCK = "There are not enough vouchers that are assigned to nobody."
    BAD_COHORT = "What was given does not make a cohort that can be kept. The message says what."
    COHORT_CHANGED = "Its people are not those that were previewed. The message says who. Preview it again."
    PREVIEW_EXPIRED = "A preview is valid for a day. Preview it again."
    NOBODY_ELIGIBLE = "Nobody of the cohort is to be given a voucher. The preview says why."
    DRY_RUN_FIRST = "Preview the cohort first: it starts within a day of a preview of it."
    BAD_EMAIL = "This is not an e-mail address."
    BAD_MESSAGE = "A message has 1 to 2,000 characters."
    CLAIM_NOT_USABLE = "This link cannot be used. Ask whoever invited you to send another one."
    NOT_INVITED = "Nobody is invited to claim this voucher."
    LINK_DEAD = "The link that was sent is dead. Send another one."
    REMINDED_ALREADY = "They were reminded within the last day."
    NOT_AWAITING_APPROVAL = "Nobody who claimed this voucher awaits approval."
    BAD_ACCOUNT_NAME = "Give your name, in 1 to 200 printable characters."
    BAD_PURPOSE = "A purpose has 1 to 200 printable characters."
    DATE_OUT_OF_RANGE = "The date is outside 1900-01-01 through 2199-12-31, or not later than it was."
    UNKNOWN_CURRENCY = MoneyErrorCode.UNKNOWN_CURRENCY.value
    BAD_AMOUNT = MoneyErrorCode.BAD_AMOUNT.value
    IDEMPOTENCY_KEY_REUSED = RepeatErrorCode.IDEMPOTENCY_KEY_REUSED.value
    BAD_IDEMPOTENCY_KEY = RepeatErrorCode.BAD_IDEMPOTENCY_KEY.value
    NOT_FOUND = "There is no such thing, or it is not yours. Check the id."
    NOT_ALLOWED = AccessErrorCode.NOT_ALLOWED.value
    BAD_ID = "This is not an id that this API gave out, or it is the id of another kind of thing."


class VoucherError(DomainError):
    def __init__(self, code: VoucherErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)
