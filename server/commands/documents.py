"""`documents`: the documents that this server trusts."""

from __future__ import annotations

from graphiql.operations import load_operations
from schema.root import schema
from server.documents import manifest, trusted_documents
from server.settings import Settings


def documents() -> None:
    """Print the trusted documents as JSON, each by its SHA-256: our own, and those of COUNTERSIGN_TRUSTED_DOCUMENTS.

    A client names one as {"documentId": "sha256:…"} instead of sending it.

    Example: python3 -m server documents > manifest.json
    """
    print(manifest(trusted_documents(Settings.read(), load_operations(), schema._schema)))
