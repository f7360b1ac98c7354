"""A cursor leads on in its own list; anything else is refused, whatever it is."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.cursor import InvalidCursor, decode_cursor, encode_cursor

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@given(st.integers(0, 2**63 - 1), names)
def test_a_cursor_brings_back_its_key(position: int, name: str) -> None:
    cursor = encode_cursor("a list", position, name)
    assert decode_cursor(cursor, "a list", int, str) == [position, name]
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?# ")


@given(st.text(max_size=600))
def test_no_text_of_a_caller_does_more_than_be_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, "a list", int, int)


@given(st.binary(max_size=100))
def test_no_bytes_of_a_caller_do_more_than_be_refused(raw: bytes) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(base64.urlsafe_b64encode(raw).decode(), "a list", int, int)


@pytest.mark.parametrize(
    "key",
    [
        '["another list",1,2]',
        '["a list",1]',
        '["a list",1,2,3]',
        '["a list",1,"2"]',
        '["a list",1,true]',
        '["a list",1,2.0]',
        '["a list",1,null]',
        '["a list",1,-1]',
        '["a list",1,9223372036854775808]',
        '["a list",1,1e400]',
        '{"a list":1}',
        '"a list"',
        "7",
        "",
    ],
)
def test_a_key_of_another_shape_is_refused(key: str) -> None:
    with pytest.raises(InvalidCursor, match="next_cursor"):
        decode_cursor(base64.urlsafe_b64encode(key.encode()).decode(), "a list", int, int)


def test_a_name_that_no_database_holds_is_refused() -> None:
    cursor = base64.urlsafe_b64encode(b'["a list","a\\u0000b"]').decode()
    with pytest.raises(InvalidCursor):
        decode_cursor(cursor, "a list", str)
