"""Numbers that a few letters make huge: refused where they come in, and never a fault of ours."""

from __future__ import annotations

from decimal import Decimal

import pytest
from graphql import GraphQLError

from models.errors import DomainError
from models.money import money_of
from schema.scalars import read_decimal

HUGE = ["1e999999", "1e999999999", "1e-999999999", "NaN", "sNaN", "Infinity", "-Infinity", "9" * 400]


@pytest.mark.parametrize(
    "sent", [*HUGE, "0x10", "", 1e30, 10**400, True, None, [1], {}], ids=lambda sent: str(sent)[:20]
)
def test_what_is_sent_as_a_decimal_is_one_that_can_be_reckoned_with(sent: object) -> None:
    with pytest.raises(GraphQLError, match="is not a decimal number"):
        read_decimal(sent)


@pytest.mark.parametrize("sent", ["12.50", "-0.01", 12.5, 3, "99999999999999.99"])
def test_a_decimal_comes_as_a_text_or_a_number(sent: object) -> None:
    assert read_decimal(sent) == Decimal(str(sent))


@pytest.mark.parametrize("amount", HUGE, ids=lambda amount: amount[:20])
def test_an_amount_that_is_none_is_refused(amount: str) -> None:
    with pytest.raises(DomainError, match="is not an amount of USD"):
        money_of(amount, "USD")
