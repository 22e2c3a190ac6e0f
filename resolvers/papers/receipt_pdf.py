"""A receipt on paper. The same receipt gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from models.interval import UTC
from models.redemptions import FeeChannel
from resolvers.papers.sheet_of_paper import Paper
from resolvers.papers.table import Column, Row, draw_table
from resolvers.papers.words import local_instant
from resolvers.receipts import Receipt, ReceiptRefund, ReceiptVoucher

# Of all widths the sum is that of the page and of one gap.
LINES = (
    Column("No.", 12, "R"),
    Column("What", 72.2),
    Column("Quantity", 20, "R"),
    Column("Each", 24, "R"),
    Column("Total", 24, "R"),
    Column("Given back", 24, "R"),
)
VOUCHERS = (
    Column("Paid with", 64.2),
    Column("Face value", 28, "R"),
    Column("Used here", 28, "R"),
    Column("Left after this", 28, "R"),
    Column("Taken back since", 28, "R"),
)
REFUNDS = (Column("When", 58), Column("To the card", 28, "R"), Column("To vouchers", 28, "R"), Column("Why", 62.2))
NOTHING = "–"
ABOUT_LEFT = "Left after this is what the voucher was worth once these fees were paid, not what it is worth today."
CHANNELS = {FeeChannel.COUNTER: "Taken by the program", FeeChannel.CHECKOUT: "Paid online"}


def receipt_pdf(receipt: Receipt) -> bytes:
    with TemporaryDirectory() as folder:
        paper = _paper(receipt, Path(folder))
        paper.new_page()
        _head(paper, receipt)
        _lines(paper, receipt)
        _vouchers(paper, receipt)
        _refunds(paper, receipt)
        return bytes(paper.output())


def _paper(receipt: Receipt, folder: Path) -> Paper:
    last = max([receipt.completed_at, *(one.refunded_at for one in receipt.refunds)])
    paper = Paper(
        folder,
        head=f"{receipt.program} · {receipt.reference}",
        foot=f"Receipt {receipt.reference}",
        made_at=last.astimezone(UTC).replace(microsecond=0),
    )
    paper.set_title(f"Receipt {receipt.reference} – {receipt.program}")
    paper.set_author("Countersign")
    paper.set_lang("en")
    return paper


def _head(paper: Paper, receipt: Receipt) -> None:
    paper.at += 3
    paper.paragraph(f"Receipt {receipt.reference}", size=20, bold=True, after=3.2)
    paper.pairs(facts(receipt), label_width=30)


def facts(receipt: Receipt) -> list[tuple[str, str]]:
    """What stands above the lines, on paper and on the page."""
    paid_by = [("Paid by", receipt.paid_by)] if receipt.paid_by else []
    when = local_instant(receipt.completed_at, receipt.zone)
    return [("Program", receipt.program), ("Paid", when), ("Where", CHANNELS[receipt.channel]), *paid_by]


def sums(receipt: Receipt) -> list[tuple[str, str]]:
    """What stands below them."""
    parts = [("Total", receipt.total), ("By vouchers", receipt.by_vouchers), ("By card", receipt.by_card)]
    back = [("Given back", receipt.refunded)] if receipt.refunds else []
    return [(label, str(money)) for label, money in [*parts, *back]]


def _lines(paper: Paper, receipt: Receipt) -> None:
    paper.heading("What was paid for")
    draw_table(
        paper,
        LINES,
        (
            Row(
                [
                    str(line.number),
                    line.name,
                    f"{line.quantity:,}",
                    str(line.unit_price),
                    str(line.total),
                    str(line.refunded) if line.refunded.amount_minor else NOTHING,
                ]
            )
            for line in receipt.lines
        ),
    )
    paper.at += 3
    paper.pairs(sums(receipt), label_width=30, size=10)


def _vouchers(paper: Paper, receipt: Receipt) -> None:
    if receipt.vouchers:
        paper.heading("Vouchers and promotions")
        draw_table(paper, VOUCHERS, map(_voucher, receipt.vouchers))
        paper.at += 2
        paper.paragraph(ABOUT_LEFT, size=8.2)


def named(one: ReceiptVoucher) -> str:
    return f"Promotion {one.name}" if one.is_promotion else f"Voucher … {one.name}"


def _voucher(one: ReceiptVoucher) -> Row:
    amounts = (one.face_value, one.used, one.left, one.reversed if one.reversed.amount_minor else None)
    return Row([named(one), *(NOTHING if money is None else str(money) for money in amounts)])


def _refunds(paper: Paper, receipt: Receipt) -> None:
    if receipt.refunds:
        paper.heading("Given back")
        draw_table(paper, REFUNDS, (_refund(receipt, one) for one in receipt.refunds))


def _refund(receipt: Receipt, one: ReceiptRefund) -> Row:
    when = local_instant(one.refunded_at, receipt.zone)
    return Row([when, str(one.by_card), str(one.by_vouchers), one.reason])
