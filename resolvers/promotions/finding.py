"""Finding a promotion by the code that somebody typed, or for who may see its numbers; and saying why it is no use."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.promotions import Held, Promotion
from resolvers.loaders.promotions import PromotionRow, promotion_of
from resolvers.prepared import prepared
from resolvers.programs.acting import ProgramAct
from resolvers.promotions.moving import standing

PROMOTION = Promotion.__table__
REFUSALS = {
    Held.FULL: VoucherErrorCode.PROMOTION_FULL,
    Held.FULL_BY_HOLDS: VoucherErrorCode.PROMOTION_BUSY,
    Held.PERSON_LIMIT: VoucherErrorCode.PROMOTION_LIMIT_PER_PERSON,
    Held.NOT_USABLE: VoucherErrorCode.CODE_NOT_USABLE,
}


def normalized_code(typed: str) -> str:
    """As it is kept: however it was typed, in capitals and without spaces around it."""
    return typed.strip().upper()


class CodeOfPromotion(NamedTuple):
    """Whose code somebody typed, and whether a use of it may be held."""

    promotion_id: int
    held: Held


async def find_standing_by_code(act: ProgramAct, code: str) -> CodeOfPromotion | None:
    """In whatever state it is, in one statement: a crowd comes too late. None if the program has no such promotion."""
    asked = {"program": act.program_id, "code": normalized_code(code), "amount": 0, "now": act.now}
    row = await _by_code.first(act.session, asked)
    return None if row is None else CodeOfPromotion(row[0], Held[row[1]])


@prepared
def _by_code() -> Select[Any]:
    own = (PROMOTION.c.program_id == bindparam("program"), PROMOTION.c.code == bindparam("code"))
    return select(PROMOTION.c.id, standing().label("held")).where(*own)


async def seen_promotion(act: ProgramAct, promotion_id: int) -> PromotionRow:
    """For who runs the program, and for the organization that pays for it; not found for anybody else."""
    row = await promotion_of(act.session, act.program_id, promotion_id)
    if not (act.principal.runs(act.program_id) or act.principal.may_see(row.organization_id)):
        raise NotFound("promotion", "promotion")
    return row


def not_held(held: Held, *field: str) -> VoucherError:
    """The refusal of a hold that did not come about."""
    code = REFUSALS[held]
    return VoucherError(code, code.value, *field)
