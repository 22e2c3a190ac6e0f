"""Voucher codes: 80 random bits in Crockford's base 32 with a check symbol, as XXXX-XXXX-XXXX-XXXX-C.

The alphabet leaves out I, L, O and U. Whoever types O for 0, or I or L for 1, is understood; the check symbol (the
number modulo 37) finds any one wrong symbol and any two that changed places.
"""

from __future__ import annotations

import re

SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECK_SYMBOLS = SYMBOLS + "*~$=U"
RANDOM_BITS = 80
LENGTH = RANDOM_BITS // 5
# In a text: whole, mistyped or without its check symbol, for even that tells enough.
LOOKING_LIKE_ONE = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Za-z]{4}[- ]?){3}[0-9A-Za-z]{4}(?:[- ]?[0-9A-Za-z*~$=])?(?![0-9A-Za-z])"
)
FORGIVEN = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def code_of(number: int) -> str:
    """The code that spells a number of 80 bits, without dashes: 16 symbols and the check symbol."""
    if not 0 <= number < 1 << RANDOM_BITS:
        raise ValueError(f"a code spells a number of {RANDOM_BITS} bits")
    symbols = (SYMBOLS[number >> shift & 31] for shift in range(RANDOM_BITS - 5, -5, -5))
    return "".join(symbols) + CHECK_SYMBOLS[number % len(CHECK_SYMBOLS)]


def normalized(typed: str) -> str | None:
    """The code that somebody meant; None if what they typed is not one."""
    code = typed.strip().upper().translate(FORGIVEN)
    if len(code) != LENGTH + 1 or any(symbol not in SYMBOLS for symbol in code[:-1]):
        return None
    number = 0
    for symbol in code[:-1]:
        number = number << 5 | SYMBOLS.index(symbol)
    return code if code == code_of(number) else None


def without_codes(text: str) -> str:
    """The text without what could be a code, whether or not there is such a one."""
    return LOOKING_LIKE_ONE.sub("…", text)


def spaced(code: str) -> str:
    """As a person reads and types it: ABCD-EFGH-JKMN-PQRS-T."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def last_four_of(code: str) -> str:
    """The last symbols before the check symbol, by which its owner knows it again."""
    return code[LENGTH - 4 : LENGTH]
