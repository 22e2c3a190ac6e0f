"""Hebrew and Arabic as they are set: Arabic letters joined, and each line in the order in which it is drawn."""

from __future__ import annotations

import unicodedata
from functools import cache

from fpdf.bidi import BidiParagraph

RIGHT_TO_LEFT = frozenset(("R", "AL"))
ISOLATED, FINAL, INITIAL, MEDIAL = "<isolated>", "<final>", "<initial>", "<medial>"


def is_right_to_left(text: str) -> bool:
    return not text.isascii() and any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in text)


def drawn(line: str) -> str:
    """One line from left to right, as it is drawn."""
    return str(BidiParagraph(line).get_reordered_string()) if is_right_to_left(line) else line


def joined(text: str, letters: frozenset[int]) -> str:
    """Arabic letters in the shape that their neighbours give them, where the typeface has it."""
    if not is_right_to_left(text):
        return text
    shapes = [_shape(text, n) for n in range(len(text))]
    return "".join(shape if ord(shape) in letters else letter for shape, letter in zip(shapes, text, strict=True))


def _shape(text: str, n: int) -> str:
    forms = _forms().get(text[n], {})
    after = FINAL in forms and INITIAL in _forms().get(_neighbour(text, n, -1), {})
    before = INITIAL in forms and FINAL in _forms().get(_neighbour(text, n, 1), {})
    form = {(False, False): ISOLATED, (True, False): FINAL, (False, True): INITIAL, (True, True): MEDIAL}[after, before]
    return forms.get(form, text[n])


def _neighbour(text: str, n: int, step: int) -> str:
    """The next letter on one side, past the vowel signs between."""
    n += step
    while 0 <= n < len(text) and unicodedata.combining(text[n]):
        n += step
    return text[n] if 0 <= n < len(text) else ""


@cache
def _forms() -> dict[str, dict[str, str]]:
    """The shapes of each letter, from the names that Unicode gives them."""
    forms: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFBFF), *range(0xFE80, 0xFEFD)):
        form, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        if len(letters) == 1:
            forms.setdefault(chr(int(letters[0], 16)), {})[form] = chr(code)
    return forms
