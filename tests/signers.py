"""Keys for tests: made anew, in memory."""

from __future__ import annotations

import datetime as dt

from server.signing import KeySigner, fresh_signer

LONG_AGO = dt.datetime(2017, 1, 1, tzinfo=dt.UTC)


def signer(after: KeySigner | None = None) -> KeySigner:
    """A key; endorsed by another one if given."""
    number = len(after.lineage) if after else 0
    return fresh_signer(LONG_AGO + dt.timedelta(days=number), after)
