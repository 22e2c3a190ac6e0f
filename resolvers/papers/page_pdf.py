"""A pack as a letter: what was asked, what came out, what it costs, what has changed since, and everybody by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from models.billing import SnapshotKind
from models.interval import UTC
from models.learners import sort_key
from resolvers.evidence.contents import PackBill, PackContents, PackEntry, PackMove, PackPerson
from resolvers.papers import words
from resolvers.papers.chart import draw_chart
from resolvers.papers.sheet_of_paper import ACCENT, LEFT, POINT, QUIET, WARN, WIDTH, Color, Paper
from resolvers.papers.table import Column, Row, draw_table
from resolvers.papers.typefaces import UNKNOWN, printable

# Of all widths the sum is that of the page and of one gap, so that the last column ends where the page does.
NUMBER, DATE = 10.5, 18.2
PEOPLE = (
    Column("No.", NUMBER, "R"),
    Column("Name", 40.5),
    Column("E-mail", 51.6),
    Column("External id", 19),
    Column("Activated", DATE),
    Column("Deactivated", DATE),
    Column("Last active", DATE),
)
MOVED = (Column("Name", 42), Column("What", 22), Column("On", DATE), Column("Why", 60), Column("By", 34))
CORRECTED = (Column("Name", 42), Column("What", 34), Column("Recorded", DATE), Column("Why", 52), Column("By", 30))
BILLED = (
    Column("Invoice", 36),
    Column("State", 24),
    Column("What", 28),
    Column("Quantity", 18, "R"),
    Column("Unit price", 27, "R"),
    Column("Total", 25, "R"),
    Column("Credited", 18.2, "R"),
)
CAUSED = (Column("Movement", 30), Column("Cause", 30), Column("People", 16, "R"))
# Of the large figures: points of type, and millimetres for the sign between two.
SUM_SIZES = ((23, 10), (19, 9), (16, 8), (13, 6), (9.5, 4))
LABEL = 8.2
# Less room than this, in millimetres, is left empty: the list begins on its own page.
LEAST_OF_A_LIST = 90
ABOUT_UNKNOWN = (
    f"{UNKNOWN} stands for a letter that this page cannot print; the CSV and the XLSX have all names in full."
)


def pdf_of(contents: PackContents) -> bytes:
    """The same contents give the same bytes."""
    with TemporaryDirectory() as folder:
        paper = _paper(contents, Path(folder))
        paper.new_page()
        _head(paper, contents)
        _figures(paper, contents)
        _bill(paper, contents)
        _chart(paper, contents)
        _since(paper, contents)
        _proof(paper, contents)
        _people(paper, contents)
        _moved(paper, contents)
        return bytes(paper.output())


def _paper(contents: PackContents, folder: Path) -> Paper:
    paper = Paper(
        folder,
        head=f"{contents.organization} · {contents.product} · {contents.date.isoformat()}",
        foot=f"Evidence pack, sealed under the root {words.in_fours(contents.root[:16])} …",
        made_at=contents.built_at.astimezone(UTC).replace(microsecond=0),
    )
    paper.set_title(f"{words.title(contents)} – {contents.organization}")
    paper.set_author("Countersign")
    paper.set_subject(contents.question)
    paper.set_lang("en")
    return paper


# ------------------------------------------------------------------------------------------------ the letter


def _head(paper: Paper, contents: PackContents) -> None:
    paper.at += 3
    paper.paragraph(f"{contents.organization} · {contents.product}", size=10, color=QUIET, after=0.8)
    paper.paragraph(words.title(contents), size=20, bold=True, after=3.2)
    paper.pairs(
        [
            ("Asked", contents.question),
            ("Cutoff", f"{words.local_instant(contents.cutoff, contents.zone)}, time zone {contents.zone}"),
            ("Measure", f"{contents.measure.value}; each person once"),
            ("Counted", words.counted_when(contents)),
            ("Evidence pack", contents.pack_id),
            ("Built", f"{words.instant(contents.built_at)} by {contents.built_by}"),
        ],
        label_width=30,
    )


def _figures(paper: Paper, contents: PackContents) -> None:
    """403 counted − 400 licensed = 3 over, and what they cost."""
    paper.room(34)
    paper.at += 3
    paper.rule(paper.at)
    _sum(paper, list(_shown(contents)))
    paper.rule(paper.at)
    paper.at += 3.2
    paper.paragraph(f"{words.owed(contents)} {_also_excluded(contents)}".strip(), after=1.2)
    if contents.term:
        paper.paragraph(f"Contract term. {words.term(contents)}", color=QUIET, size=9, after=0)


@dataclass(frozen=True, slots=True)
class _Figure:
    # What stands before it: − = ×, or an arrow.
    sign: str
    figure: str
    label: str
    color: Color = ACCENT

    def wide(self, paper: Paper, size: float) -> float:
        return max(paper.wide(self.figure, size, bold=True), paper.wide(self.label, LABEL))


def _shown(contents: PackContents) -> Iterator[_Figure]:
    yield _Figure("", words.span(contents.count_least, contents.count_most), "counted")
    found = words.amounts(contents)
    if contents.term is None or found is None:
        return
    least, most, price = contents.overage_least or 0, contents.overage_most or 0, contents.term.unit_price
    yield _Figure("−", f"{contents.term.licensed:,}", "licensed")
    yield _Figure("=", words.span(least, most), "above")
    if least != most:
        yield _Figure("→", f"{least:,}", "proven")
    yield _Figure("×", f"{price.amount:,}", f"{price.currency} each")
    then = "to bill" if contents.kind is SnapshotKind.BILLING else "if billed"
    yield _Figure("=", f"{found[0].amount:,}", f"{price.currency} {then}", WARN if least else ACCENT)


def _sum(paper: Paper, shown: Sequence[_Figure]) -> None:
    """In one line, as large as it fits."""
    fitting = (size for size in SUM_SIZES if _sum_width(paper, shown, *size) <= WIDTH)
    size, gap = next(fitting, SUM_SIZES[-1])
    x, y = LEFT, paper.at + 4
    for one in shown:
        if one.sign:
            paper.put(x, y + size * 0.055, one.sign, size=size * 0.75, color=QUIET, width=gap, align="C")
            x += gap
        paper.put(x, y, one.figure, size=size, bold=True, color=one.color)
        paper.put(x, y + size * POINT * 1.2 + 0.8, one.label, size=LABEL, color=QUIET)
        x += one.wide(paper, size)
    paper.at = y + size * POINT * 1.2 + 7.2


def _sum_width(paper: Paper, shown: Sequence[_Figure], size: float, gap: float) -> float:
    return sum(one.wide(paper, size) for one in shown) + gap * (len(shown) - 1)


def _also_excluded(contents: PackContents) -> str:
    if not contents.excluded:
        return ""
    return f"Not counted: {words.people(contents.excluded)} excluded from billing, such as test or staff accounts."


def _bill(paper: Paper, contents: PackContents) -> None:
    if not contents.bills:
        return
    paper.heading("What was invoiced")
    draw_table(paper, BILLED, map(_billed, contents.bills))


def _billed(line: PackBill) -> Row:
    said = (line.invoice, line.state.lower(), line.kind.lower(), f"{line.quantity:,}")
    return Row([*said, str(line.unit_price), str(line.total), f"{line.credited:,}" if line.credited else "–"])


def _chart(paper: Paper, contents: PackContents) -> None:
    if len(contents.days) < 2:
        return
    paper.heading("Active at the cutoff of each day", with_next=56)
    draw_chart(paper, contents)


def _since(paper: Paper, contents: PackContents) -> None:
    paper.heading("What has changed since", with_next=24)
    if contents.moves:
        paper.paragraph(words.bridge(contents), size=14, bold=True, after=1)
    paper.paragraph(words.bridge_story(contents), after=2)
    if contents.moves:
        caused = [
            (words.MOVEMENTS[moved], cause or "–", f"{count:,}") for moved, cause, count in words.causes(contents)
        ]
        draw_table(paper, CAUSED, map(Row, caused))
    paper.heading("What was learned later", with_next=16)
    paper.paragraph(words.corrections(contents), after=2)
    if contents.corrections:
        draw_table(paper, CORRECTED, map(Row, _corrected(contents)))


def _corrected(contents: PackContents) -> Iterator[tuple[str, ...]]:
    for one in contents.corrections:
        recorded = words.instant(one.recorded_at)[:10]
        yield words.named(one.person), words.DIFFERENCES[one.difference], recorded, one.reason, one.actor


def _proof(paper: Paper, contents: PackContents) -> None:
    paper.heading("How to check this", with_next=46)
    for said in words.HOW_TO_VERIFY:
        paper.paragraph(said, size=8.8, after=1.2)
    paper.at += 1
    paper.pairs(words.proof(contents), size=8.2)


# ------------------------------------------------------------------------------------------------- the lists


def _people(paper: Paper, contents: PackContents) -> None:
    paper.at += 8
    paper.room(min(LEAST_OF_A_LIST, 36 + 5.6 * len(contents.entries)))
    paper.paragraph(f"Who was counted: {words.people(len(contents.entries))}", size=14, bold=True, after=1)
    about = f"{words.ABOUT_DATES.format(zone=contents.zone)} No. is the place in the seal. {words.certainty(contents)}"
    paper.paragraph(about, size=8, color=QUIET, after=2)
    if any(UNKNOWN in printable(entry.person.name) for entry in contents.entries):
        paper.paragraph(ABOUT_UNKNOWN, size=8, color=QUIET, after=2)
    numbered = sorted(enumerate(contents.entries, 1), key=lambda one: _by_name(one[1].person))
    draw_table(paper, PEOPLE, (_person_row(number, entry) for number, entry in numbered))


def _by_name(person: PackPerson) -> tuple[bool, str]:
    return person.is_erased, sort_key(person.name)


def _person_row(number: int, entry: PackEntry) -> Row:
    who = entry.person
    look: Literal["plain", "quiet", "warn"] = "quiet" if who.is_erased else "plain" if entry.certain else "warn"
    days = map(words.day, (entry.activated_on, entry.deactivated_on, entry.last_active_on))
    return Row(
        [
            str(number),
            words.named(who) + ("" if entry.certain else " – possible"),
            who.email or who.subject,
            who.external_id,
            *(day or "–" for day in days),
        ],
        look,
    )


def _moved(paper: Paper, contents: PackContents) -> None:
    if not contents.moves:
        return
    paper.at += 6
    paper.room(40)
    paper.paragraph(f"The bridge, person by person: {words.bridge(contents)}", size=14, bold=True, after=2)
    order = list(words.MOVEMENTS)
    moves = sorted(contents.moves, key=lambda move: (order.index(move.movement), _by_name(move.person)))
    draw_table(paper, MOVED, map(_moved_row, moves))


def _moved_row(move: PackMove) -> Row:
    what = words.MOVEMENTS[move.movement]
    return Row([words.named(move.person), what, words.day(move.on) or "–", words.why(move), move.actor])
