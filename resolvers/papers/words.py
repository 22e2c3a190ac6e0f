"""What a pack says in words and figures: the same sentences on every paper."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from zoneinfo import ZoneInfo

from models.billing import SnapshotKind
from models.interval import UTC
from models.money import Money
from resolvers.evidence.contents import PackBill, PackContents, PackMove, PackPerson

SEATS = "seats"
ERASED = "(erased)"
MOVEMENTS = {"joined": "joined", "left": "left", "passed": "came and went", "uncertain": "uncertain"}
# None is known of who is uncertain.
CAUSES = ("activation", "deactivation", "transfer", "exclusion", "correction", "")
DIFFERENCES = {"added": "would be counted", "removed": "would not be counted", "changed": "counted, other dates"}
ABOUT_DATES = (
    "Dates are local days of {zone}. A person is active until the instant of deactivation; "
    "the last active day is the last one touched. A missing date had not come, or was lost."
)
HOW_TO_VERIFY = (
    (
        "The people who were counted are the leaves of a Merkle tree (RFC 6962, SHA-256, each leaf salted). Its root "
        "is in a numbered checkpoint that names the one before it and is signed with Ed25519: nothing can be changed, "
        "added or dropped without breaking the chain."
    ),
    "Download the signed bundle of this pack (ZIP) and run: python3 -m server verify PACK.zip",
    (
        "It works offline and needs nothing but the bundle and the public key. Compare the key's fingerprint with the "
        "one that you were given by another way than this document."
    ),
)


# ------------------------------------------------------------------------------------------------ small words


def between(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def span(least: int, most: int) -> str:
    """As `between`, where "to" already says something else."""
    return between(least, most).replace(" to ", "–")


def people(count: int) -> str:
    return f"{count:,} {'person' if count == 1 else 'people'}"


def named(person: PackPerson) -> str:
    return ERASED if person.is_erased else person.name


def day(date: dt.date | None) -> str:
    return date.isoformat() if date else ""


def instant(at: dt.datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else ""


def local_instant(at: dt.datetime, zone: str) -> str:
    """The wall clock of the zone, and what it is in UTC: 2017-09-01 00:00 CDT (05:00 UTC)."""
    local, utc = at.astimezone(ZoneInfo(zone)), at.astimezone(UTC)
    other_day = "" if local.date() == utc.date() else f"{utc:%Y-%m-%d} "
    # A zone without letters of its own is named by its offset, which says nothing more here.
    letters = local.tzname() or ""
    return f"{local:%Y-%m-%d %H:%M}{f' {letters}' if letters.isalpha() else ''} ({other_day}{utc:%H:%M} UTC)"


def in_fours(digest: str) -> str:
    """A fingerprint as people compare it."""
    return " ".join(re.findall(".{1,4}", digest))


def end(rows: int) -> tuple[str, str]:
    """The last line of a list that is whole."""
    return "END", f"{rows} {'row' if rows == 1 else 'rows'}; this file is complete."


def file_stem(contents: PackContents) -> str:
    return stem(contents.organization_slug, contents.product, contents.date, "evidence")


def stem(slug: str, product: str, date: dt.date, what: str) -> str:
    """ASCII that tells what is in a file: xtra-lease-2017-09-01-evidence."""
    words = f"{slug} {'' if product.lower() == SEATS else product} {date.isoformat()} {what}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


# ------------------------------------------------------------------------------------------------- sentences


def title(contents: PackContents) -> str:
    return f"Why {between(contents.count_least, contents.count_most)} were counted on {contents.date.isoformat()}"


def term(contents: PackContents) -> str:
    held = contents.term
    if held is None:
        return f"No contract term was in force on {contents.date.isoformat()}."
    through = f"through {held.through.isoformat()}" if held.through else "until further notice"
    licensed = f"{held.licensed:,} licensed; each further one costs {held.unit_price}"
    return f"From {held.since.isoformat()} {through}: {licensed}."


def amounts(contents: PackContents) -> tuple[Money, Money] | None:
    """What the provable overage costs, and what only lost dates may add; None without a term."""
    if contents.term is None or contents.overage_least is None or contents.overage_most is None:
        return None
    price = contents.term.unit_price
    return price * contents.overage_least, price * (contents.overage_most - contents.overage_least)


def owed(contents: PackContents) -> str:
    """What follows from the count for the bill."""
    if contents.kind is SnapshotKind.INQUIRY:
        return "This count was asked for, and is not billed."
    found = amounts(contents)
    if found is None or contents.term is None:
        return "Nothing is licensed, so there is no overage and nothing to bill."
    provable, possible = found
    least, most, price = contents.overage_least or 0, contents.overage_most or 0, contents.term.unit_price
    if not most:
        return "Nobody is above what is licensed: there is nothing to bill."
    certain = f"{least:,} × {price} = {provable}" if least else "Nothing"
    if least == most:
        return f"{certain} is to be billed."
    return (
        f"{certain} is proven, and only that is billed. Up to {most - least:,} more ({possible}) may be above what is "
        "licensed, as dates were lost; they are billed only after a recorded approval."
    )


def bill(line: PackBill) -> str:
    sum_ = f"{line.quantity:,} × {line.unit_price} = {line.total}"
    credited = f", of which {line.credited:,} credited" if line.credited else ""
    return f"{line.invoice} ({line.state.lower()}): {line.kind.lower()}, {sum_}{credited}"


def counted_when(contents: PackContents) -> str:
    then, known = instant(contents.recorded_at), instant(contents.known_at)
    return f"{then}, as known {'then' if known == then else f'at {known}'}"


def closing_day(contents: PackContents) -> dt.date:
    return contents.closing_at.astimezone(ZoneInfo(contents.zone)).date()


def movements(contents: PackContents) -> Counter[str]:
    found: Counter[str] = Counter()
    for (movement, _), count in contents.moved.items():
        found[movement] += count
    return found


def causes(contents: PackContents) -> list[tuple[str, str, int]]:
    """How many moved in which way, and why, in the order of the words above."""
    order, reasons = list(MOVEMENTS), list(CAUSES)
    pairs = sorted(contents.moved, key=lambda pair: (order.index(pair[0]), reasons.index(pair[1])))
    return [(movement, cause, contents.moved[movement, cause]) for movement, cause in pairs]


def bridge(contents: PackContents) -> str:
    """The sum of the bridge: 403 + 16 joined − 28 left = 391. Of bounds it is that of the provable counts."""
    found = movements(contents)
    proven = "" if _is_exact(contents.opening) and _is_exact(contents.closing) else " proven"
    moved = f"{found['joined']:,} joined − {found['left']:,} left"
    return f"{contents.opening[0]:,}{proven} + {moved} = {contents.closing[0]:,}{proven}"


def _is_exact(count: tuple[int, int]) -> bool:
    return count[0] == count[1]


def bridge_story(contents: PackContents) -> str:
    then, now = contents.date.isoformat(), closing_day(contents).isoformat()
    if not contents.moves:
        return f"The same {between(*contents.closing)} are counted on {now}, when this pack was built."
    found = movements(contents)
    passed, unsure = found["passed"], found["uncertain"]
    also = f" {people(passed)} came and went in between." if passed else ""
    also += f" Of {people(unsure)} dates were lost: counted at one end or both, or at none." if unsure else ""
    return f"From {span(*contents.opening)} on {then} to {span(*contents.closing)} on {now}.{also}"


def corrections(contents: PackContents) -> str:
    """What was recorded after the count, and what the count would be today."""
    counted = between(contents.count_least, contents.count_most)
    if not contents.corrections:
        return f"Nothing that was recorded later changes who was counted: counted {counted}, still known as {counted}."
    found = Counter(one.difference for one in contents.corrections)
    said = "; ".join(f"{people(found[name])} {words}" for name, words in DIFFERENCES.items() if found[name])
    if contents.count_least != contents.count_most:
        return f"Counted {counted}. By what was recorded later: {said}."
    by = found["added"] - found["removed"]
    return f"Counted {counted}, now known {contents.count_least + by:,} ({f'{by:+,}'.replace('-', '−')}): {said}."


def certainty(contents: PackContents) -> str:
    unsure = contents.count_most - contents.count_least
    if not unsure:
        return "All of them are certain."
    return f"{people(unsure)} marked “possible”: of their dates some were lost, and only some completions count them."


def why(move: PackMove) -> str:
    return ": ".join(filter(None, (move.cause, move.reason)))


def facts(contents: PackContents) -> list[tuple[str, str]]:
    """All that the pack says but for its lists."""
    counted = between(contents.count_least, contents.count_most)
    return [
        ("Evidence pack", contents.pack_id),
        ("Built at", f"{instant(contents.built_at)} by {contents.built_by}"),
        ("Organization", contents.organization),
        ("Product", contents.product),
        ("Question", contents.question),
        ("Date", f"{contents.date.isoformat()} ({contents.zone})"),
        ("Cutoff", local_instant(contents.cutoff, contents.zone)),
        ("Measure", contents.measure.value),
        ("Counted at", instant(contents.recorded_at)),
        ("As known at", instant(contents.known_at)),
        ("Counted", counted),
        ("Excluded from billing", f"{contents.excluded:,}"),
        ("Contract term", term(contents)),
        ("Overage", _overage(contents)),
        ("To bill", owed(contents)),
        *(("Invoice", bill(line)) for line in contents.bills),
        ("Bridge", bridge_story(contents)),
        ("Bridge in figures", bridge(contents)),
        ("Later corrections", corrections(contents)),
        ("Certainty", certainty(contents)),
        ("Dates", ABOUT_DATES.format(zone=contents.zone)),
    ]


def _overage(contents: PackContents) -> str:
    if contents.overage_least is None or contents.overage_most is None:
        return "none without a term"
    return between(contents.overage_least, contents.overage_most)


def proof(contents: PackContents) -> list[tuple[str, str]]:
    return [
        ("Merkle root of the entries", contents.root),
        ("Checkpoint", f"number {contents.checkpoint_number}"),
        ("Digest of the checkpoint", contents.checkpoint_digest),
        ("Fingerprint of the key", in_fours(contents.key_id)),
    ]
