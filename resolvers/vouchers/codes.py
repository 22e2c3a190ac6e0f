"""Codes: made from randomness, found by a keyed hash, kept encrypted. The keys are the server's, not the database's."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import insert

from models.codes import RANDOM_BITS, code_of, last_four_of
from models.errors import VoucherError, VoucherErrorCode
from models.vouchers import VoucherCode
from resolvers.programs.acting import ProgramAct


class CodeKeys(Protocol):
    """The server's keys for codes. New codes take the newest; older keys stay, so that older codes are still found."""

    @property
    def newest(self) -> str:
        """The id of the key that new codes take."""

    def digest(self, program_id: int, code: str, key_id: str | None = None) -> str:
        """HMAC-SHA256 of a normalized code under a key (the newest if none is named), in 64 hexadecimal digits."""

    def digests(self, program_id: int, code: str) -> Sequence[str]:
        """The same under every key: one of them is the code's, whenever it was made."""

    def seal(self, program_id: int, code_id: int, code: str) -> bytes:
        """Encrypted and bound to its place: it opens nowhere else."""

    def open(self, program_id: int, code_id: int, key_id: str, sealed: bytes) -> str: ...


@dataclass(frozen=True, slots=True)
class NewCode:
    """The code of a voucher, the only time that it is in memory."""

    voucher_id: int
    code: str = field(repr=False)

    @property
    def last_four(self) -> str:
        return last_four_of(self.code)


def must_have(keys: CodeKeys | None) -> CodeKeys:
    if keys is None:
        raise VoucherError(VoucherErrorCode.NO_CODE_KEYS, VoucherErrorCode.NO_CODE_KEYS.value)
    return keys


def new_codes(voucher_ids: Iterable[int]) -> list[NewCode]:
    return [NewCode(voucher_id, code_of(secrets.randbits(RANDOM_BITS))) for voucher_id in voucher_ids]


async def keep_codes(act: ProgramAct, keys: CodeKeys, codes: Sequence[NewCode]) -> None:
    """Makes them their vouchers' live codes; each voucher's older one has ended before."""
    first = act.keys.take(len(codes))
    rows = [_row(act, keys, first + place, code) for place, code in enumerate(codes)]
    if rows:
        await act.session.execute(insert(VoucherCode.__table__), rows)


def _row(act: ProgramAct, keys: CodeKeys, code_id: int, new: NewCode) -> dict[str, object]:
    return {
        "program_id": act.program_id,
        "id": code_id,
        "voucher_id": new.voucher_id,
        "code_key": keys.newest,
        "digest": keys.digest(act.program_id, new.code),
        "sealed": keys.seal(act.program_id, code_id, new.code),
        "made_at": act.now,
        "ended_at": None,
        "end": None,
    }
