"""What does a customer type who pays by hand at a till? Eight characters, such as `7GM3W2QH`.

The reference says which payment it is for: the payment's id is derived from it, so a receipt that
names it finds its payment without a table. The characters are Crockford's base 32, which has no I,
L, O or U (https://www.crockford.com/base32.html). Seven are drawn, which is 35 bits: whoever
issues one draws again if its payment is there already.

The last is a check character, by Damm's algorithm over the field of 32 elements: each step adds a
character's value and multiplies by x, and the whole comes to zero. One wrong character adds what
is not zero. Two different ones that are swapped do so too, since neighbours count by different
powers of x. So neither is ever read as another reference.
"""

from __future__ import annotations

import re
import secrets
from typing import Final
from uuid import UUID, uuid5

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 8
BITS_A_CHARACTER: Final = 5
DRAWN_BYTES: Final = 5
"""Forty bits, of which seven characters take thirty-five."""

MANUAL_PAYMENTS: Final = UUID("5b1de0c9-7a3e-5f42-8d06-2c9b4e7f6a14")
"""The namespace of the ids of payments that are paid by hand."""

FIELD_POLYNOMIAL: Final = 0b100101
"""x⁵ + x² + 1: irreducible, so every element but zero has an inverse."""

_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}
_REFERENCE: Final = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_READ_AS: Final[dict[int, str | None]] = {
    **{ord(letter.lower()): letter for letter in ALPHABET},
    **{ord(letter): "1" for letter in "IiLl"},
    **{ord(letter): "0" for letter in "Oo"},
    # Spaces and dashes, also those that a phone's keyboard makes of them.
    **dict.fromkeys(map(ord, " \u00a0-\u2010\u2011\u2012\u2013\u2014")),
}


def new_reference() -> str:
    """A reference that nobody can guess."""
    return reference_from(secrets.token_bytes(DRAWN_BYTES))


def reference_from(drawn: bytes) -> str:
    """The reference that these bytes draw, which is always the same. Five at least are needed."""
    number = int.from_bytes(drawn)
    characters = "".join(
        ALPHABET[number >> place * BITS_A_CHARACTER & len(ALPHABET) - 1]
        for place in range(LENGTH - 1)
    )
    # Zero is what a value added to itself gives, so the check character is what is left so far.
    return characters + ALPHABET[_remainder(characters)]


def normalised(reference: str) -> str | None:
    """The reference as we write it, from how a person does; None when it cannot be one of ours.

    Lower case, spaces and dashes are read over; I and L are read as 1, and O as 0.
    """
    read = reference.translate(_READ_AS)
    if _REFERENCE.fullmatch(read) is None or _remainder(read) != 0:
        return None
    return read


def payment_of(reference: str) -> UUID:
    """The id of the payment that this reference is for. Raises `ValueError` if it is not ours."""
    read = normalised(reference)
    if read is None:
        raise ValueError("this is not a reference that we issue")
    return uuid5(MANUAL_PAYMENTS, read)


def _remainder(characters: str) -> int:
    remainder = 0
    for character in characters:
        remainder = _times_x(remainder ^ _VALUES[character])
    return remainder


def _times_x(value: int) -> int:
    doubled = value << 1
    return doubled ^ FIELD_POLYNOMIAL if doubled >= len(ALPHABET) else doubled
