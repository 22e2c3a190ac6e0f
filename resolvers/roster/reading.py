"""From a file to the cells of its rows, never more than a little of it at once.

What is wrong with the file as a whole is found here, before anything of it is kept.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import RosterError, RosterErrorCode

Cells = list[str]

REQUIRED = ("team", "external_id", "activated_on", "deactivated_on")
OPTIONAL = ("name", "email", "department", "certifications")
COLUMNS = (
    *("organization", "team", "external_id", "name", "email", "department"),
    *("activated_on", "deactivated_on", "certifications"),
)
LONGEST_LINE_BYTES = 65_536
# Of chunks of a mebibyte the allocator kept ever more: 35 MiB after a file of 57.
CHUNK_BYTES = 65_536
MEND_TEXT = "Save it as “CSV UTF-8”, for example with Save As in a spreadsheet program."
KNOWN_BINARIES = {
    b"PK\x03\x04": "a workbook or another zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a file is to be read. Two readings of one file may say different things, so they are different imports."""

    # Our name of a column -> the name that the file gives it.
    columns: Mapping[str, str] = field(default_factory=dict)
    # As strptime takes it; None reads only ISO dates, YYYY-MM-DD.
    date_format: str | None = None
    # The one organization of the whole file, by name or slug; None reads a column.
    organization: str | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        return REQUIRED if self.organization is not None else ("organization", *REQUIRED)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first pass over the file finds: it is text, it has this digest, and about so many lines."""

    digest: str
    lines: int


def survey(path: Path) -> Survey:
    """Reads the file once, in chunks; refuses what is not UTF-8 text of bearable lines."""
    digest, decoder, lines = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")(), 0
    offset, carried = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            if offset == 0:
                _refuse_binary(chunk)
            _must_be_utf8(decoder, chunk, offset)
            carried = _must_have_short_lines(carried + chunk, lines)
            digest.update(chunk)
            lines += chunk.count(b"\n")
            offset += len(chunk)
    _must_be_utf8(decoder, b"", offset, final=True)
    if offset == 0:
        raise RosterError(RosterErrorCode.EMPTY, "The file is empty: it has no header line.", "file")
    return Survey(digest.hexdigest(), lines + 1)


def _refuse_binary(start: bytes) -> None:
    found = next((what for signature, what in KNOWN_BINARIES.items() if start.startswith(signature)), None)
    if found is None and b"\0" in start.split(b"\n", 1)[0]:
        found = "binary data, or text in another encoding"
    if found:
        raise RosterError(RosterErrorCode.NOT_TEXT, f"The file is not CSV text but {found}. {MEND_TEXT}", "file")


def _must_be_utf8(decoder: codecs.IncrementalDecoder, chunk: bytes, offset: int, *, final: bool = False) -> None:
    # The decoder may hold up to three bytes of a character that the last chunk began.
    held = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as problem:
        at = offset - held + problem.start
        raise RosterError(
            RosterErrorCode.NOT_TEXT, f"The file is not UTF-8 text: byte {at:,} fits no character. {MEND_TEXT}", "file"
        ) from problem


def _must_have_short_lines(text: bytes, lines_before: int) -> bytes:
    """Looks for a line's end in every stretch of the longest length; gives back the unfinished line at the end."""
    start = 0
    while len(text) - start > LONGEST_LINE_BYTES:
        end = start + LONGEST_LINE_BYTES + 1
        found = max(text.rfind(b"\n", start, end), text.rfind(b"\r", start, end))
        if found < 0:
            raise line_too_long(lines_before + text.count(b"\n", 0, start) + 1)
        start = found + 1
    return text[max(start, text.rfind(b"\n") + 1, text.rfind(b"\r") + 1) :]


def line_too_long(line: int) -> RosterError:
    return RosterError(
        RosterErrorCode.LINE_TOO_LONG,
        f"Line {line:,} is longer than 64 KiB. Is a quotation mark missing, or is this another kind of file?",
        "file",
    )


# ------------------------------------------------------------------------------------------------ rows


def rows(path: Path, reading: Reading, after_line: int = 0) -> Iterator[tuple[int, Cells]]:
    """The rows after a line, each with the number that a text editor gives its first line, and its cells.

    A row has the cells of `Picker`'s order only after `Picker.pick`; here they are as in the file.
    """
    # A BOM is accepted; newline="" leaves line ends inside quoted cells as they are, and counts \r alone as one.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        line = 1
        try:
            next(reader, None)
            line = reader.line_num + 1
            for cells in reader:
                if cells and line > after_line:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as problem:
            raise line_too_long(line) from problem


def header(path: Path) -> Cells:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            return [name.strip() for name in next(csv.reader(file), [])]
        except csv.Error as problem:
            raise line_too_long(1) from problem


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a row of the file the cell of each of our columns stands; absent ones stand behind its end."""

    # How many cells a row has.
    width: int
    # The place of each of COLUMNS; `width` itself means an empty cell.
    places: tuple[int, ...]


def layout(names: Sequence[str], reading: Reading) -> Layout:
    """Finds our columns in a header line, or says which are missing and what was found."""
    if not any(names):
        raise RosterError(RosterErrorCode.EMPTY, "The file has no header line.", "file")
    _refuse_duplicates(names)
    folded = {name.casefold(): place for place, name in enumerate(names)}
    wanted = {column: reading.columns.get(column, column) for column in COLUMNS}
    # A column that was mapped on purpose must be there even where it could be left out.
    needed = [column for column in COLUMNS if column in (*reading.needed, *reading.columns)]
    missing = [wanted[column] for column in needed if wanted[column].casefold() not in folded]
    if missing:
        raise _columns_missing(missing, names)
    return Layout(len(names), tuple(folded.get(wanted[column].casefold(), len(names)) for column in COLUMNS))


def _refuse_duplicates(names: Sequence[str]) -> None:
    folded = [name.casefold() for name in names]
    twice = sorted({name for name in names if name and folded.count(name.casefold()) > 1})
    if twice:
        raise RosterError(
            RosterErrorCode.HEADER_DUPLICATE,
            f"The header line has {_listed(twice)} more than once. Rename one of each.",
            "file",
        )


def _columns_missing(missing: Sequence[str], names: Sequence[str]) -> RosterError:
    hint = f"If one is named otherwise, map it: --map {missing[0]}=“its name in the file”."
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        hint = "The cells seem to be parted by something other than commas: save it with commas."
    return RosterError(
        RosterErrorCode.HEADER_MISSING,
        f"The header line lacks {_listed(missing)}; it has {_listed(names[:50])}. {hint}",
        "file",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"“{name[:60]}”" for name in names)
