"""What was done to a voucher, as a sentence."""

from __future__ import annotations

from models.program_events import ProgramDeed, ProgramThing

VOUCHER_DEEDS = {
    ProgramDeed.ISSUED: "{actor} issued it",
    ProgramDeed.CODES_REVEALED: "{actor} looked at its code",
    ProgramDeed.ASSIGNED: "{actor} assigned it",
    ProgramDeed.INVITED: "{actor} sent an e-mail with a link to claim it",
    ProgramDeed.REMINDED: "{actor} sent a reminder of the link",
    ProgramDeed.LINK_EXPIRED: "Nobody followed the link in time",
    ProgramDeed.BOUNCED: "The e-mail with the link could not be delivered",
    ProgramDeed.CLAIMED: "{actor} claimed it",
    ProgramDeed.CLAIM_AWAITS_APPROVAL: "{actor}, whose address is another, claimed it: the organization decides",
    ProgramDeed.CLAIM_APPROVED: "{actor} approved the claim",
    ProgramDeed.CLAIM_REFUSED: "{actor} refused the claim",
    ProgramDeed.ASSIGNEE_ERASED: "{actor} erased what named its assignee",
    ProgramDeed.ASSIGNMENT_CANCELLED: "{actor} cancelled its assignment",
    ProgramDeed.REISSUED: "{actor} reissued it, so the old code is dead",
    ProgramDeed.REVOKED: "{actor} revoked it",
    ProgramDeed.EXTENDED: "{actor} let it expire later",
    ProgramDeed.EXPIRED: "It expired",
    ProgramDeed.FLAGGED: "Its assignee left the organization, so it was flagged for reissue",
    ProgramDeed.REDEEMED: "It paid a fee, taken by {actor}",
    ProgramDeed.REVERSED: "{actor} took back what it had paid",
    ProgramDeed.REFUNDED: "{actor} gave back what was left of it",
}
ORDER_DEEDS = {
    ProgramDeed.ORDERED: "{actor} ordered it",
    ProgramDeed.ORDER_APPROVED: "{actor} approved the purchase order",
    ProgramDeed.ORDER_REJECTED: "{actor} did not approve the purchase order",
    ProgramDeed.ORDER_SETTLED: "The order was paid, as {actor} recorded",
    ProgramDeed.ORDER_DECLINED: "The card was declined",
    ProgramDeed.ORDER_CANCELLED: "{actor} cancelled the order",
    ProgramDeed.PAYMENT_UNKNOWN: "The gateway did not answer whether the card was charged",
    ProgramDeed.REFUNDED: "{actor} gave back money of the order",
    ProgramDeed.ISSUED: "{actor} issued the vouchers of the order",
    ProgramDeed.CODES_REVEALED: "{actor} looked at the codes of the order",
}
FEE_DEEDS = {ProgramDeed.REFUNDED: "{actor} gave back fees"}
STATEMENT_DEEDS = {
    ProgramDeed.STATEMENT_CLOSED: "{actor} closed it, so what it holds is due",
    ProgramDeed.STATEMENT_PAID: "It was paid in full, as {actor} saw to",
}
DEEDS = {
    ProgramThing.VOUCHER_ORDER: ORDER_DEEDS,
    ProgramThing.FEE_ORDER: FEE_DEEDS,
    ProgramThing.STATEMENT: STATEMENT_DEEDS,
}


def sentence(
    thing: ProgramThing, deed: ProgramDeed, actor: str, said: str | None, before: str | None, after: str | None
) -> str:
    """Who did what, from what to what, and in whose words; such as "Kim revoked it: she has left."."""
    known = DEEDS.get(thing, VOUCHER_DEEDS)
    told = known.get(deed, f"{{actor}}: {deed.value}").replace("{actor}", actor)
    if before and after:
        told += f" ({before}; then {after})"
    elif before or after:
        told += f" ({before or after})"
    return f"{told}: {said.rstrip('.')}." if said else f"{told}."
