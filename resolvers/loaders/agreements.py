"""Reading the agreements of programs to bill organizations later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, asked
from models.errors import NotFound
from models.voucher_orders import BillingAgreement
from resolvers.loaders.voucher_programs import InProgram, Reader, columns_of, rows_by_key

AGREEMENT = BillingAgreement.__table__


class AgreementRow(NamedTuple):
    place: int
    program_id: int
    id: int
    organization_id: int
    currency: str
    cap_minor: int
    unbilled_minor: int
    unpaid_minor: int
    held_minor: int
    agreed_at: dt.datetime
    ended_at: dt.datetime | None

    @property
    def outstanding_minor(self) -> int:
        return self.unbilled_minor + self.unpaid_minor + self.held_minor


async def agreements_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[AgreementRow]:
    rows = await rows_by_key(AGREEMENT, AgreementRow).rows(connection, as_keys(keys))
    return [AgreementRow._make(row) for row in rows]


async def agreement_of(connection: Reader, program_id: int, agreement_id: int, *field: str) -> AgreementRow:
    for row in await agreements_by_key(connection, [InProgram(program_id, agreement_id)]):
        return row
    raise NotFound("billing agreement", *field)


class AgreementsKey(NamedTuple):
    """The agreements of a program with an organization; 0 stands for all of either."""

    program_id: int
    organization_id: int


async def agreements_of(connection: AsyncConnection, keys: Sequence[AgreementsKey]) -> list[AgreementRow]:
    """All of each key, the ended ones too, latest first: they are few, one in force for each currency."""
    rows = await connection.execute(_agreements(), as_keys(keys))
    return [AgreementRow._make(row) for row in rows]


@lru_cache
def _agreements() -> Select[Any]:
    keys = asked("keys", "place", *AgreementsKey._fields)
    same = and_(
        (keys.c.program_id == 0) | (AGREEMENT.c.program_id == keys.c.program_id),
        (keys.c.organization_id == 0) | (AGREEMENT.c.organization_id == keys.c.organization_id),
    )
    found = select(keys.c.place, *columns_of(AGREEMENT, AgreementRow)).select_from(keys).join(AGREEMENT, same)
    return found.order_by(keys.c.place, AGREEMENT.c.id.desc())
