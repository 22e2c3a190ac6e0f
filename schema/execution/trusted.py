"""Trusted documents: those that the server was given beforehand, and that clients may name by their hash.

The hash is the SHA-256 of the document's text in UTF-8, in hexadecimal digits. Clients send it as `documentId`, in the
way of GraphQL over HTTP, or in `extensions.persistedQuery`, in Apollo's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models.access import Role
from resolvers.principal import Principal
from schema.errors import RequestErrorCode, RequestRefused
from schema.execution.documents import Asked

PREFIX = "sha256:"
# Those who build on the API, and those who run it. All others use a portal, whose documents are known.
FREE_TO_ASK = {Role.STAFF, Role.PARTNER}


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def is_hash_of(text: str, identifier: str) -> bool:
    return identifier.removeprefix(PREFIX) == hash_of(text)


@dataclass(frozen=True)
class TrustedDocuments:
    texts: Mapping[str, str] = field(default_factory=dict)
    # Whether portals may ask nothing else.
    only: bool = False
    _known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", frozenset(self.texts.values()))

    @classmethod
    def of(cls, texts: Iterable[str], *, only: bool = False) -> TrustedDocuments:
        return cls({hash_of(text): text for text in texts}, only)

    def named(self, identifier: str) -> str:
        """The text of the document. Raises RequestRefused, by whose code Apollo's clients know to send the text."""
        text = self.texts.get(identifier.removeprefix(PREFIX))
        if text is None:
            raise RequestRefused(RequestErrorCode.PERSISTED_QUERY_NOT_FOUND)
        return text

    def trusts(self, asked: Asked) -> bool:
        """However it was sent: by its hash, or whole."""
        return asked.query in self._known

    def refuse_others(self, principal: Principal) -> None:
        if self.only and principal.role not in FREE_TO_ASK:
            raise RequestRefused(RequestErrorCode.UNTRUSTED_DOCUMENT)
