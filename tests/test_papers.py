"""Evidence packs on paper: the same figures everywhere, everybody by name, safe to open, and the same bytes again."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import replace
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pypdfium2  # type: ignore[import-untyped]
import pytest

from models.billing import SnapshotKind
from models.contracts import Measure
from models.money import Money
from resolvers.evidence.contents import PackContents, PackPerson
from resolvers.papers import words
from resolvers.papers.chart import scale
from resolvers.papers.page_pdf import pdf_of
from resolvers.papers.right_to_left import drawn, joined
from resolvers.papers.sheet_csv import csv_of
from resolvers.papers.sheet_xlsx import xlsx_of
from resolvers.papers.typefaces import MAIN, UNKNOWN, letters_of, printable
from tests.papers import (
    DATE,
    TERM,
    bounded,
    correction,
    days,
    entry,
    erased,
    large,
    move,
    person,
    small,
    story,
    with_names,
)

DANGEROUS = ("=1+1", "+1", "-1", "@SUM(A1)", "\tTab", "\rReturn")


def sheet(contents: PackContents) -> tuple[dict[str, str], list[dict[str, str]], list[str]]:
    """What a CSV says of itself, its rows by column, and its last line."""
    text = "".join(csv_of(contents))
    assert text.startswith("\ufeff")
    lines = list(csv.reader(io.StringIO(text[1:], newline="")))
    head = next(n for n, line in enumerate(lines) if line[0] == "part")
    about = {line[0]: line[1] for line in lines[:head]}
    return about, [dict(zip(lines[head], line, strict=True)) for line in lines[head + 1 : -1]], lines[-1]


def xlsx(contents: PackContents) -> bytes:
    target = io.BytesIO()
    xlsx_of(contents, target)
    return target.getvalue()


def workbook(contents: PackContents) -> Any:
    return openpyxl.load_workbook(io.BytesIO(xlsx(contents)))


def rows(contents: PackContents, name: str) -> list[tuple[Any, ...]]:
    """All of a sheet but its head."""
    return list(workbook(contents)[name].iter_rows(min_row=2, values_only=True))


def pages(contents: PackContents) -> list[str]:
    document = pypdfium2.PdfDocument(pdf_of(contents))
    try:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]
    finally:
        document.close()


def with_people(*people: PackPerson) -> PackContents:
    return replace(small(), entries=tuple(entry(n, who=who) for n, who in enumerate(people)))


def dangerous(text: str) -> PackContents:
    """Everything that people wrote begins with a sign of a formula."""
    who = PackPerson(subject="Q", name=text, email=text, external_id=text, department=text)
    return replace(
        story(),
        organization=text,
        product=text,
        built_by=text,
        question=text,
        entries=(entry(1, who=who),),
        moves=(replace(move(1, "left", "correction"), person=who, actor=text, reason=text),),
        corrections=(replace(correction(1), person=who, actor=text, reason=text),),
        bills=(replace(story().bills[0], invoice=text),),
    )


# ------------------------------------------------------------------------------------------- what is said


def test_a_count_above_the_licence_is_billed_at_the_unit_price() -> None:
    assert words.owed(story()) == "3 × USD 12.50 = USD 37.50 is to be billed."


def test_of_a_bounded_count_only_the_proven_part_is_billed_and_the_rest_needs_an_approval() -> None:
    assert words.title(bounded()) == "Why 401 to 403 were counted on 2017-09-01"
    said = words.owed(bounded())
    assert said.startswith("1 × USD 12.50 = USD 12.50 is proven, and only that is billed. Up to 2 more (USD 25.00)")
    assert said.endswith("billed only after a recorded approval.")


def test_nothing_is_proven_where_only_lost_dates_may_exceed_the_licence() -> None:
    assert words.owed(replace(bounded(), overage_least=0)).startswith("Nothing is proven, and only that is billed.")


def test_without_a_term_there_is_nothing_to_bill() -> None:
    assert words.owed(small()) == "Nothing is licensed, so there is no overage and nothing to bill."
    assert words.term(small()) == "No contract term was in force on 2017-09-01."


def test_a_count_within_the_licence_is_not_billed() -> None:
    within = replace(story(), overage_least=0, overage_most=0)
    assert words.owed(within) == "Nobody is above what is licensed: there is nothing to bill."


def test_the_bridge_is_a_sum_of_people() -> None:
    assert words.bridge(story()) == "403 + 16 joined − 28 left = 391"
    assert sum(count for _, _, count in words.causes(story())) == len(story().moves)


def test_the_bridge_of_bounded_counts_is_the_sum_of_the_provable_ones() -> None:
    assert words.bridge(bounded()) == "401 proven + 16 joined − 28 left = 389 proven"
    assert "Of 2 people dates were lost" in words.bridge_story(bounded())


def test_a_correction_says_what_was_counted_and_what_is_known_now() -> None:
    assert words.corrections(story()).startswith("Counted 403, now known 402 (−1)")


def test_a_correction_of_a_bounded_count_claims_no_exact_number() -> None:
    assert "now known" not in words.corrections(bounded())


def test_amounts_have_the_decimals_of_their_currency() -> None:
    yen = replace(story(), term=replace(TERM, unit_price=Money(1_250, "JPY")))
    assert words.owed(yen) == "3 × JPY 1,250 = JPY 3,750 is to be billed."


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("America/Chicago", "2017-09-01 00:00 CDT (05:00 UTC)"),
        ("Asia/Kathmandu", "2017-09-01 10:45 (05:00 UTC)"),
        ("Pacific/Honolulu", "2017-08-31 19:00 HST (2017-09-01 05:00 UTC)"),
    ],
)
def test_an_instant_is_shown_on_the_clock_of_the_zone_and_in_utc(zone: str, said: str) -> None:
    assert words.local_instant(story().cutoff, zone) == said


def test_a_file_is_named_in_ascii_for_what_is_in_it() -> None:
    assert words.file_stem(story()) == "xtra-lease-2017-09-01-evidence"
    assert words.file_stem(small()) == "o-soehne-lite-library-2nd-edition-2017-09-01-evidence"


# ---------------------------------------------------------------------------------------------------- csv


def test_a_csv_holds_everybody_with_both_dates_and_says_that_it_is_whole() -> None:
    about, found, end = sheet(story())
    counted = [row for row in found if row["part"] == "counted"]
    assert (len(counted), about["Counted"], about["Overage"]) == (403, "403", "3")
    assert counted[0]["activated_at"] == "2017-08-01 05:00:00 UTC"
    assert (counted[0]["activated_on"], counted[0]["last_active_on"]) == ("2017-08-01", "2017-09-05")
    assert end == ["END", "449 rows; this file is complete."]


def test_a_csv_holds_the_bridge_and_the_corrections_with_actor_and_reason() -> None:
    found = sheet(story())[1]
    assert sum(row["part"] == "bridge" for row in found) == 45
    (correction,) = [row for row in found if row["part"] == "correction"]
    assert (correction["movement"], correction["actor"]) == ("removed", "Sam of support")
    assert correction["reason"] == "Left on 2017-08-30, as the client's payroll shows"


def test_who_is_counted_only_possibly_is_marked() -> None:
    found = sheet(bounded())[1]
    assert [row["no"] for row in found if row["certain"] == "possible"] == ["18", "231"]


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    lines = csv.reader(io.StringIO("".join(csv_of(dangerous(text)))[1:], newline=""))
    assert not [cell for line in lines for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


# --------------------------------------------------------------------------------------------------- xlsx


def test_a_workbook_has_a_sheet_for_each_part() -> None:
    names = ["Summary", "People", "Bridge", "Later corrections", "Days", "How to verify"]
    assert workbook(story()).sheetnames == names
    assert workbook(small()).sheetnames == names


def test_the_summary_has_the_invoice_lines_as_numbers_with_their_currency() -> None:
    summary = workbook(story())["Summary"]
    head = next(row for row in summary.iter_rows() if row[0].value == "Invoice" and row[1].value == "Line")
    line = summary[head[0].row + 1]
    assert [cell.value for cell in line][:7] == ["2017-0091", "OVERAGE", "ISSUED", 3, 12.5, 37.5, 1]
    assert line[5].number_format == '"USD" #,##0.00'


def test_the_people_of_a_workbook_have_real_dates() -> None:
    found = rows(story(), "People")
    assert len(found) == 403
    assert found[0][:3] == (1, person(0).subject, "Ada Almeida")
    assert [day.date() for day in found[0][6:9]] == [dt.date(2017, 8, 1), dt.date(2017, 9, 6), dt.date(2017, 9, 5)]
    assert found[0][9] == "yes"
    assert found[1][7] is None


def test_the_days_are_drawn_with_the_licensed_line() -> None:
    days_sheet = workbook(story())["Days"]
    (chart,) = days_sheet._charts
    assert [series.val.numRef.f for series in chart.series] == ["Days!$B$2:$B$81", "Days!$C$2:$C$81", "Days!$D$2:$D$81"]
    assert days_sheet["D2"].value == 400


def test_days_without_a_term_have_no_licensed_line() -> None:
    without = workbook(replace(small(), days=days()))["Days"]
    assert len(without._charts[0].series) == 2


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_cell_of_a_workbook_is_a_formula_or_a_link(text: str) -> None:
    cells = [cell for sheet in workbook(dangerous(text)) for row in sheet.iter_rows() for cell in row if cell.value]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    assert not [cell for cell in cells if str(cell.value).startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_an_address_of_a_page_is_no_link() -> None:
    book = workbook(with_names("https://example.org/", "mailto:ada@example.org"))
    assert book["People"]["C2"].value == "https://example.org/"
    assert book["People"]["C2"].hyperlink is None


# ---------------------------------------------------------------------------------------------------- pdf


def test_the_first_page_says_the_question_the_figures_and_what_they_cost() -> None:
    first = pages(story())[0]
    assert "Why 403 were counted on 2017-09-01" in first
    assert "Active at 2017-09-01 00:00 (America/Chicago), Xtra Lease" in first
    assert "403 counted − 400 licensed = 3 above × 12.50 USD each = 37.50 USD to bill" in first
    assert "403 + 16 joined − 28 left = 391" in first
    assert "2017-0091 issued overage 3 USD 12.50 USD 37.50 1" in first
    assert "403 on 2017-09-01" in first
    assert "400 licensed" in first


def test_a_bounded_count_is_never_shown_as_one_number() -> None:
    said = pages(bounded())
    assert "401–403 counted − 400 licensed = 1–3 above → 1 proven × 12.50 USD each = 12.50 USD to bill" in said[0]
    assert "Why 403" not in said[0]
    assert " ".join(said).count("– possible") == 2


def test_the_letter_says_how_it_is_proven() -> None:
    said = " ".join(pages(story()))
    assert story().root in said
    assert story().checkpoint_digest in said
    assert words.in_fours(story().key_id) in said
    assert "python3 -m server verify" in said


def test_everybody_is_listed_with_both_dates_under_a_head_on_each_page() -> None:
    said = pages(story())
    assert len(said) == 12
    whole = " ".join(said)
    assert all(person(n).email in whole for n in range(403))
    assert "1 Ada Almeida learner0@xtra-lease.example XL-0000 2017-08-01 2017-09-06 2017-09-05" in whole
    assert all("No. Name E-mail External id Activated Deactivated Last active" in page for page in said[2:10])


def test_pages_are_numbered() -> None:
    said = pages(story())
    assert [f"Page {n} of 12" in page for n, page in enumerate(said, 1)] == [True] * 12


def test_a_pack_of_three_people_is_one_page() -> None:
    (only,) = pages(small())
    assert "The same 3 are counted on 2017-10-20" in only
    assert "Chiara Almeida" in only


def test_names_in_any_script_are_printed_and_what_cannot_be_is_said() -> None:
    said = " ".join(pages(with_names("Ελένη", "Жанна", "สมชาย", "Nguyễn Thị Hồng", "गीता", "王伟 Wei", "😀", "ʃə")))
    assert all(name in said for name in ("Ελένη", "Жанна", "Nguyễn Thị Hồng", "Wei", "ʃə"))
    assert f"{UNKNOWN} stands for a letter that this page cannot print" in said


def test_an_unprintable_letter_is_replaced_and_never_breaks_the_page() -> None:
    assert printable("王 Wei\x00\u202e\ud7ff") == f"{UNKNOWN} Wei"
    assert pages(with_names("\x00", "\ufffe", "\U0010ffff", "e\u0301\u0323" * 40))


def test_right_to_left_names_are_drawn_in_their_own_order() -> None:
    assert drawn("שלום Ann") == "Ann םולש"
    assert drawn("Ann") == "Ann"


def test_arabic_letters_are_joined() -> None:
    assert joined("محمد", letters_of(MAIN)) == "\ufee3\ufea4\ufee4\ufeaa"
    assert joined("Ann", letters_of(MAIN)) == "Ann"


def test_an_erased_person_is_listed_without_a_name() -> None:
    contents = with_people(person(0), erased(1))
    assert f"2 (erased) {person(1).subject} 2017-07-31" in " ".join(pages(contents))
    assert [row["name"] for row in sheet(contents)[1]] == ["Ada Almeida", "(erased)"]
    assert [row[2] for row in rows(contents, "People")] == ["Ada Almeida", "(erased)"]


def test_a_long_name_goes_on_in_the_next_line_and_none_of_it_is_lost() -> None:
    name = "Wolfeschlegelsteinhausenbergerdorff-" * 6
    said = "".join(pages(with_names(name))).replace(" ", "").replace("\ufffe", "")
    assert name in said or name.replace("-", "") in said.replace("-", "")


def test_a_long_name_of_an_organization_is_cut_only_at_the_head_of_later_pages() -> None:
    name = "Vereinigte Leasinggesellschaften " * 6
    first, *later = pages(replace(story(), organization=name.strip()))
    assert name.strip() in first
    assert all("Vereinigte" in page and " …" in page.split("Page")[0] for page in later)


@pytest.mark.parametrize("measure", Measure)
def test_every_measure_fits_on_a_letter(measure: Measure) -> None:
    assert measure.value in pages(replace(small(), measure=measure))[0]


def test_a_large_price_still_fits_in_one_line() -> None:
    term = replace(TERM, licensed=1_000_000, unit_price=Money(999_999_999_99, "USD"))
    huge = replace(bounded(), term=term, count_least=1_000_001, count_most=1_000_003, entries=())
    assert "999,999,999.99 USD to bill" in pages(huge)[0]


@pytest.mark.parametrize(
    ("levels", "licensed", "axis"),
    [
        ([371, 403, 389], 400, (360, 420, 20)),
        ([5, 5], None, (5, 6, 1)),
        ([0, 0], 0, (0, 1, 1)),
        ([10, 900_000], 400, (0, 1_000_000, 500_000)),
    ],
)
def test_the_axis_has_few_round_labels_around_all_levels(
    levels: list[int], licensed: int | None, axis: tuple[int, int, int]
) -> None:
    low, high, step = scale(levels, licensed)
    assert (low, high, step) == axis
    assert low <= min(levels) <= max(levels) <= high


# ------------------------------------------------------------------------------------------------ all of them


def test_the_same_contents_give_the_same_bytes() -> None:
    assert "".join(csv_of(story())) == "".join(csv_of(story()))
    assert xlsx(story()) == xlsx(story())
    assert pdf_of(story()) == pdf_of(story())


def test_other_contents_give_other_bytes() -> None:
    later = replace(story(), built_at=story().built_at + dt.timedelta(minutes=1))
    assert pdf_of(later) != pdf_of(story())
    assert xlsx(later) != xlsx(story())


def test_all_papers_say_the_same_figures() -> None:
    about = sheet(story())[0]
    facts = set(words.facts(story()))
    assert facts < {row[:2] for row in rows(story(), "Summary")}
    assert facts < set(about.items())
    assert about["Bridge in figures"] in pages(story())[0]
    assert DATE.isoformat() in about["Date"]


def test_a_large_pack_is_listed_to_the_last() -> None:
    many = large(2_000)
    assert sheet(many)[2] == ["END", "2046 rows; this file is complete."]
    assert len(rows(many, "People")) == 2_000
    assert any(person(1_999).email in page for page in pages(many))


def test_a_count_that_was_only_asked_for_is_never_said_to_be_billed() -> None:
    inquiry = replace(story(), kind=SnapshotKind.INQUIRY)
    assert words.owed(inquiry) == "This count was asked for, and is not billed."
    assert "is to be billed" not in "".join(csv_of(inquiry))
