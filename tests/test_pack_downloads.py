"""Evidence packs are downloaded by those who may see them, in four forms, and by nobody else."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import httpx
import openpyxl  # type: ignore[import-untyped]
import pypdfium2  # type: ignore[import-untyped]
import pytest

from resolvers.papers import entries_csv
from resolvers.principal import Principal
from schema.ids import encode_id
from server.database import Database
from tests.builders import organization
from tests.proving import proven
from tests.visitors import SUPPORT, Sheet, administrator, visiting

NOT_THERE = "There is no evidence pack of that id that you may see.\n"
ENDINGS = ("csv", "xlsx", "pdf", "zip")


@dataclass
class Built:
    """A pack about the September of Xtra Lease."""

    database: Database
    organization_id: int
    pack_id: int
    snapshot_id: int

    @property
    def opaque(self) -> str:
        return encode_id("EvidencePack", self.organization_id, self.pack_id)

    async def download(
        self, ending: str, principal: Principal | None = SUPPORT, *, pack_id: str = ""
    ) -> httpx.Response:
        async with visiting(self.database, principal) as client:
            return await client.get(f"/exports/packs/{pack_id or self.opaque}.{ending}")

    async def entries(self, principal: Principal = SUPPORT, *, snapshot_id: int = 0) -> httpx.Response:
        opaque = encode_id("BillingSnapshot", self.organization_id, snapshot_id or self.snapshot_id)
        async with visiting(self.database, principal) as client:
            return await client.get(f"/exports/snapshots/{opaque}.csv")


@pytest.fixture
async def built(database: Database) -> Built:
    case = await proven(database)
    snapshot_id = await case.take()
    return Built(database, case.tenant.id, await case.build(snapshot_id), snapshot_id)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_pack_is_a_file_that_tells_what_it_is_and_is_kept_by_nobody(built: Built, ending: str) -> None:
    answer = await built.download(ending, administrator(built.organization_id))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == (f'attachment; filename="xtra-lease-2017-09-01-evidence.{ending}"')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize("ending", ENDINGS)
async def test_it_goes_through_files_of_which_none_is_left(
    built: Built, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold personal data."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answer = await built.download(ending)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert left_in(tmp_path) == []


async def test_each_form_names_everybody_who_was_counted(built: Built) -> None:
    text = (await built.download("csv")).content.decode()
    people = openpyxl.load_workbook(io.BytesIO((await built.download("xlsx")).content))["People"]
    with pypdfium2.PdfDocument((await built.download("pdf")).content) as document:
        page = "".join(page.get_textpage().get_text_range() for page in document)
    names = {row[2] for row in people.iter_rows(min_row=2, values_only=True)}
    assert names == {"Learner 0", "Learner 1", "Learner 2", "Learner 3", "'=HYPERLINK(1)", "'tHooft, Änne"}
    assert all(f",{name}," in text for name in ("Learner 0", "Learner 3", "'=HYPERLINK(1)"))
    assert all(name in page for name in ("Learner 0", "Learner 3", "=HYPERLINK(1)", "'tHooft, Änne"))


async def test_the_bundle_is_a_zip(built: Built) -> None:
    answer = await built.download("zip")
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None


@pytest.mark.parametrize("ending", ENDINGS)
async def test_the_same_pack_is_the_same_file(built: Built, ending: str) -> None:
    assert (await built.download(ending)).content == (await built.download(ending)).content


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_foreign_pack_answers_like_one_that_is_not_there(built: Built, ending: str) -> None:
    stranger = administrator((await organization(built.database)).id)
    foreign = await built.download(ending, stranger)
    unknown = await built.download(ending, pack_id=encode_id("EvidencePack", built.organization_id, 1))
    nonsense = await built.download(ending, pack_id="nonsense")
    another_kind = await built.download(ending, pack_id=encode_id("Learner", built.organization_id, built.pack_id))
    for answer in (foreign, unknown, nonsense, another_kind):
        assert (answer.status_code, answer.text) == (404, NOT_THERE)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_nobody_in_particular_downloads_nothing(built: Built, ending: str) -> None:
    answer = await built.download(ending, None)
    assert answer.status_code in (303, 401)
    assert b"Learner" not in answer.content


# ------------------------------------------------------------------------------------ who was counted


async def test_who_was_counted_by_a_snapshot_is_a_list_that_says_that_it_is_whole(built: Built) -> None:
    answer = await built.entries(administrator(built.organization_id))
    sheet = Sheet(answer.content.decode())
    assert answer.headers["content-disposition"] == 'attachment; filename="xtra-lease-2017-09-01-counted.csv"'
    assert (sheet.about["Counted"], sheet.about["Rows"], len(sheet.rows)) == ("6", "6", 6)
    assert sheet.about["Question"].startswith("Active at the billing cutoff of 2017-09-01")
    assert ["'=HYPERLINK(1)", "2017-08-15", "", "", "yes"] in [[row[0], *row[4:7], row[9]] for row in sheet.rows]
    assert ["Learner 1", "2017-08-01", "2017-09-16", "2017-09-15"] in [[row[0], *row[4:7]] for row in sheet.rows]
    assert sheet.end == ["END", "6 rows; this file is complete."]


async def test_a_list_of_several_pages_is_whole(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (await built.entries()).text
    monkeypatch.setattr(entries_csv, "PAGE_ROWS", 2)
    assert (await built.entries()).text == whole


async def test_a_foreign_snapshot_answers_like_one_that_is_not_there(built: Built) -> None:
    stranger = administrator((await organization(built.database)).id)
    answers = [await built.entries(stranger), await built.entries(snapshot_id=1)]
    assert [(answer.status_code, answer.text) for answer in answers] == [
        (404, "There is no snapshot of that id that you may see.\n")
    ] * 2


async def test_no_other_form_is_offered(built: Built) -> None:
    assert (await built.download("html")).status_code == 404
