"""Taking a voucher off a cart. What is assigned to the person does not come back by itself."""

from __future__ import annotations

from models.carts import CartVoucherEnd
from models.errors import NotFound
from models.program_events import ProgramDeed
from resolvers.carts.changing import load, resettle
from resolvers.carts.releasing import told
from resolvers.carts.versions import begin_change
from resolvers.gateways.gateway import Gateways
from resolvers.loaders.carts import CartRow
from resolvers.programs.acting import ProgramAct, tell


async def remove(act: ProgramAct, gateways: Gateways, cart_id: int, expected_version: int, applied_id: int) -> CartRow:
    """What it held is free again, and the others pay what they can."""
    on = await load(act, gateways, await begin_change(act, cart_id, expected_version))
    going = {row: CartVoucherEnd.REMOVED for row in on.wanted if row.id == applied_id}
    if not going:
        raise NotFound("voucher on this cart", "voucher")
    settled = await resettle(act, gateways, on, going)
    await tell(act, told(settled, ProgramDeed.REMOVED))
    return settled
