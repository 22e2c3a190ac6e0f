"""The same key and input again is answered with what was made; another input under the key is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

import pytest

from models.errors import BillingError, RepeatError, RepeatErrorCode
from resolvers.idempotency import digest_of
from server.database import Database
from tests.billing import Billed, billed_organization


async def issued(database: Database) -> tuple[Billed, int]:
    billed = await billed_organization(database)
    await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.issued(invoice_id)
    return billed, invoice_id


async def test_a_payment_sent_again_is_recorded_once(database: Database) -> None:
    billed, invoice_id = await issued(database)
    payment_ids = {await billed.paid(invoice_id, 3000, key="wire-7") for _ in range(3)}
    assert len(payment_ids) == 1
    assert (await billed.invoice(invoice_id)).figures.paid == 3000


async def test_another_input_under_the_key_is_refused(database: Database) -> None:
    billed, invoice_id = await issued(database)
    await billed.paid(invoice_id, 1000, key="wire-7")
    with pytest.raises(RepeatError) as problem:
        await billed.paid(invoice_id, 1001, key="wire-7")
    assert problem.value.code is RepeatErrorCode.IDEMPOTENCY_KEY_REUSED


async def test_another_mutation_under_the_key_is_refused(database: Database) -> None:
    billed, invoice_id = await issued(database)
    await billed.paid(invoice_id, 1000, key="wire-7")
    snapshot_id = (await billed.invoice(invoice_id)).lines[0].snapshot_id
    with pytest.raises(RepeatError) as problem:
        await billed.approved_uncertain(snapshot_id, 1, key="wire-7")
    assert problem.value.code is RepeatErrorCode.IDEMPOTENCY_KEY_REUSED


async def test_what_was_refused_may_be_tried_again_under_its_key(database: Database) -> None:
    billed, invoice_id = await issued(database)
    with pytest.raises(BillingError):
        await billed.paid(invoice_id, 3001, key="wire-7")
    await billed.paid(invoice_id, 3000, key="wire-7")


async def test_a_key_is_of_one_organization(database: Database) -> None:
    for billed, invoice_id in [await issued(database), await issued(database)]:
        await billed.paid(invoice_id, 3000, key="wire-7")
        assert (await billed.invoice(invoice_id)).figures.paid == 3000


@pytest.mark.parametrize("key", ["", "x" * 101, "a\nb"])
async def test_a_key_has_1_to_100_printable_characters(database: Database, key: str) -> None:
    billed, invoice_id = await issued(database)
    with pytest.raises(RepeatError) as problem:
        await billed.paid(invoice_id, 3000, key=key or "\0")
    assert problem.value.code is RepeatErrorCode.BAD_IDEMPOTENCY_KEY


class Pair(NamedTuple):
    one: int
    other: int


@dataclass(frozen=True)
class Given:
    pair: Pair
    quantities: Mapping[int, int]
    amount: Decimal


def test_an_input_has_one_digest_however_it_is_spelled() -> None:
    one = Given(Pair(1, 2), {2: 1, 1: 2}, Decimal("12.50"))
    same = Given(Pair(1, 2), MappingProxyType({1: 2, 2: 1}), Decimal("12.5"))
    assert digest_of(one) == digest_of(same)
    assert digest_of(one) != digest_of(Given(Pair(2, 1), {1: 2, 2: 1}, Decimal("12.5")))
