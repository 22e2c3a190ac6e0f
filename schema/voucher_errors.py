"""How refusals about vouchers, their programs and orders reach the client."""

from __future__ import annotations

from collections.abc import Callable

import strawberry

from models.errors import VoucherErrorCode
from schema.payloads import Refusals, UserError
from schema.scalars import described

described(VoucherErrorCode, "Why something about a voucher, its program or its order was refused.")

IDEMPOTENCY_KEY = "Of your choice, such as a UUID: the same request again with the same key is done once."


@strawberry.type(description="A refusal: what was wrong with the input, and what to do.")
class VoucherUserError(UserError):
    code: VoucherErrorCode = strawberry.field(description="The reason, for programs.")


def user_error(code: VoucherErrorCode, *field: str) -> VoucherUserError:
    """A refusal that was no error while it ran, such as of a card that the gateway declined."""
    return VoucherUserError(field=["input", *field], message=code.value, code=code)


def refusals(payload: Callable[..., object]) -> list[Refusals]:
    return [Refusals(payload, VoucherUserError, VoucherErrorCode)]
