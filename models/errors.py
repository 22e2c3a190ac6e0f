"""Every refusal the domain makes. Each holds its facts; its message is a sentence that a person can act on.

DomainError
├── NotFound            no such thing, or not yours to see: the two are never told apart
├── NotAllowed          seen, but not yours to change
├── QuestionError       a question that cannot be answered as asked (dates, zones, cursors, page sizes)
├── OrganizationError   an organization, a team or a library that cannot be made as asked
├── HistoryError        a fact that does not fit what is known of a learner
└── RosterError         an import that cannot go on
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
    RANGE_TOO_LONG = "A daily series takes at most 1,100 days. Ask in several parts."
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
