"""Where orders of vouchers stand, as lists of them are asked for."""

from __future__ import annotations

from typing import Annotated

import strawberry

from models.voucher_orders import VoucherOrderState
from schema.scalars import described

described(VoucherOrderState, "Where an order stands.")

OrderStates = Annotated[
    list[VoucherOrderState] | None, strawberry.argument(description="Only those in one of these states.")
]
