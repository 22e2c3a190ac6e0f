"""Erasing a person: what stays to know them by, and in which texts they are named.

What is kept are digests with the organization's own random salt. They tell that somebody who is imported again was
erased, and show to an auditor, who knows whom it was about, that it was this person. They give nothing back.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import orjson
from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment

ERASED = "[erased]"
"""What a text becomes that named somebody who was erased. The database lets it become nothing else."""

DIGEST = String(64)
"""SHA-256 of the salt and the text, in lower-case hexadecimal digits."""
PSEUDONYM_LENGTH = 16


class Erasure(Base):
    """That a learner's personal data was erased, and by what it would be known again. Insert-only.

    All erasures of an organization share its salt, so that one digest tells whether an external id was erased.
    """

    __tablename__ = "erasure"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    recorded_at: Mapped[Moment]
    actor: Mapped[str] = mapped_column(String(200))
    salt: Mapped[str] = mapped_column(String(64))
    external_id_digest: Mapped[str] = mapped_column(DIGEST)
    # Of name, e-mail address, external id and department together.
    profile_digest: Mapped[str] = mapped_column(DIGEST)
    # Of all texts that were erased, in order.
    texts_digest: Mapped[str] = mapped_column(DIGEST)
    # Of what was previewed: the same erasure once more is known by it.
    preview_digest: Mapped[str] = mapped_column(DIGEST)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "learner_id"], ["learner.organization_id", "learner.id"]),
        UniqueConstraint("organization_id", "external_id_digest"),
    )


def digest_of(salt: str, about: str, *texts: str) -> str:
    """What is kept of texts. `about` keeps digests of different things apart where the texts are the same."""
    return hashlib.sha256(bytes.fromhex(salt) + orjson.dumps([about, *texts])).hexdigest()


def external_id_digest(salt: str, external_id: str) -> str:
    return digest_of(salt, "external id", external_id)


def pseudonym(salt: str, learner_id: int) -> str:
    """What stands for the external id: unique, and beyond guessing before it is seen."""
    return f"erased:{digest_of(salt, 'pseudonym', str(learner_id))[:PSEUDONYM_LENGTH]}"


# ------------------------------------------------------------------------------------------------- naming


@dataclass(frozen=True, slots=True)
class Person:
    """All by which a text may name somebody: what the profile says, what evidence packs said, and other names."""

    names: tuple[str, ...]
    # E-mail addresses and external ids: only named as a whole.
    marks: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str], marks: Iterable[str]) -> Person:
        return cls(_distinct(names), _distinct(marks))


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({plain for text in texts if (plain := _plain(text))}))


def is_named_in(person: Person, text: str) -> bool:
    """Whether a text names the person, in whatever case: with an address, an id, or every word of a name in any order
    ("Singh, Priya" for Priya Singh). A word is a whole one: Al is not named in "also".
    """
    plain = _plain(text)
    return any(_stands_in(mark, plain) for mark in person.marks) or any(
        all(_stands_in(word, plain) for word in words) for name in person.names if (words := _words(name))
    )


def _plain(text: str) -> str:
    """Without regard to case, to how a letter is composed, and to how much space there is."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", name) if word]


def _stands_in(term: str, plain: str) -> bool:
    if any(unicodedata.category(character) == "Lo" for character in term):
        # Scripts that write without spaces have no word ends to look for.
        return term in plain
    return re.search(rf"(?<!\w){re.escape(term)}(?!\w)", plain) is not None


# ------------------------------------------------------------------------------------------------- preview


class PersonalField(Enum):
    """What a profile may hold."""

    NAME = "the name"
    EMAIL = "the e-mail address"
    EXTERNAL_ID = "the organization's own id"
    DEPARTMENT = "the department"


class WrittenText(Enum):
    """Where somebody may have written about a person."""

    ACT = "why something was learned: a correction, a transfer, an exclusion, an import"
    EVENT = "what was said of a deed: messages of disputes, notes, reasons"
    DISPUTE = "why a dispute was opened"
    ADJUSTMENT = "why a bill was adjusted"
    CREDIT_NOTE = "why something was credited"
    APPROVAL = "why an invoice line was approved"
    FAILURE = "why a task of the worker failed"
    ROSTER_NAME = "the name of an imported file, or of an import that was sent in batches"
