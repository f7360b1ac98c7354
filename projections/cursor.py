"""Where does the next page begin? An opaque cursor: the key of the last row of the page before.

Keys are unique and rows behind one are never renumbered, so pages neither skip nor repeat a row,
however much is written between them.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import orjson

from ledger.errors import LedgerError
from projections.reader import POSITION_MAX

CURSOR_LENGTH_MAX: Final = 500


class InvalidCursor(LedgerError):
    """This cursor is none of this list's. Use `next_cursor` as it was given, or none to begin."""

    code = "invalid_cursor"


def encode_cursor(of_list: str, *key: int | str) -> str:
    """The cursor behind the row with this key, in the list of this name."""
    return base64.urlsafe_b64encode(orjson.dumps([of_list, *key])).rstrip(b"=").decode()


def decode_cursor(cursor: str, of_list: str, *kinds: type[int | str]) -> list[int | str]:
    """The key in a cursor of this list, of these types; integers are never negative.

    Raises `InvalidCursor` for anything that `encode_cursor` did not make for this list.
    """
    if len(cursor) > CURSOR_LENGTH_MAX:
        raise InvalidCursor
    try:
        padding = "=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(cursor + padding, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise InvalidCursor from None
    if not isinstance(found, list) or len(found) != 1 + len(kinds) or found[0] != of_list:
        raise InvalidCursor
    key: list[int | str] = found[1:]
    for value, kind in zip(key, kinds, strict=True):
        if type(value) is not kind or (isinstance(value, int) and not 0 <= value <= POSITION_MAX):
            raise InvalidCursor
    if any(isinstance(value, str) and "\0" in value for value in key):
        raise InvalidCursor
    return key
