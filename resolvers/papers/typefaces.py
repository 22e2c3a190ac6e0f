"""The letters of the printed page: FiraGO, whose digits are made equally wide so that figures stand below each other.

It has Latin, Greek, Cyrillic, Hebrew, Arabic, Thai, Devanagari and Georgian letters; Noto Sans has rarer ones.
"""

from __future__ import annotations

import io
import unicodedata
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from pymupdf_fonts import myfont  # type: ignore[import-untyped]

from resolvers.papers.right_to_left import joined

MAIN, SPARE = "FiraGO", "Noto"
# In the file names of the package: the regular and the bold of each.
SOURCES = {(MAIN, ""): "figo", (MAIN, "B"): "figbo", (SPARE, ""): "notos", (SPARE, "B"): "notosbo"}
# Stands for a letter that neither has.
UNKNOWN = "\u25af"
# Only shapes are needed: without rules for setting them the font is read and cut down many times faster.
NEEDLESS = ("GSUB", "GPOS", "GDEF", "DSIG", "kern", "fpgm", "prep", "cvt ", "gasp", "hdmx", "VDMX", "LTSH", "TTFA")


def lay_out(folder: Path) -> dict[tuple[str, str], Path]:
    """Files of the typefaces, by family and style, as the PDF writer wants files."""
    files = {(family, style): folder / f"{family}{style}.ttf" for family, style in SOURCES}
    for (family, style), file in files.items():
        file.write_bytes(_typeface(family, style))
    return files


@cache
def _typeface(family: str, style: str) -> bytes:
    font = TTFont(io.BytesIO(myfont(SOURCES[family, style])), recalcTimestamp=False)
    for table in NEEDLESS:
        if table in font:
            del font[table]
    if family == MAIN:
        _widen_digits(font)
    written = io.BytesIO()
    font.save(written)
    return written.getvalue()


def _widen_digits(font: TTFont) -> None:
    glyphs = set(font.getGlyphOrder())
    for table in font["cmap"].tables:
        for digit in range(ord("0"), ord("9") + 1):
            wide = f"{table.cmap.get(digit)}.tf"
            if wide in glyphs:
                table.cmap[digit] = wide


@cache
def letters_of(family: str) -> frozenset[int]:
    return frozenset(TTFont(io.BytesIO(_typeface(family, ""))).getBestCmap())


def printable(text: str) -> str:
    """The text with a sign in place of each letter that cannot be printed; composed, as marks are not placed here."""
    if text.isascii() and text.isprintable():
        return text
    composed = joined(unicodedata.normalize("NFC", text), letters_of(MAIN))
    return "".join(letter if _has(letter) else UNKNOWN for letter in composed if letter.isprintable())


def _has(letter: str) -> bool:
    return ord(letter) in letters_of(MAIN) or ord(letter) in letters_of(SPARE)


def needs_spare(text: str) -> bool:
    return not text.isascii() and any(ord(letter) not in letters_of(MAIN) for letter in text)
