"""The tree of errors: stable codes, messages fit for the caller, refusals that can be stored."""

from __future__ import annotations

import json
import string

import pytest

from ledger.errors import (
    ERRORS_BY_CODE,
    AmountOutOfBounds,
    LedgerError,
    NothingRecorded,
    OutcomeUnknown,
    Overloaded,
    Refused,
    Unavailable,
    refusal,
)


def classes(root: type[LedgerError] = LedgerError) -> list[type[LedgerError]]:
    """The ledger's own: the read side adds errors to the tree that are never stored."""
    children = (child for child in root.__subclasses__() if child.__module__ == root.__module__)
    return [root, *(found for child in children for found in classes(child))]


def placeholders(error: type[LedgerError]) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(error.__doc__ or "") if name}


every_error = pytest.mark.parametrize("error", classes(), ids=lambda error: error.code)


def test_every_error_has_a_code_of_its_own() -> None:
    assert len(ERRORS_BY_CODE) == len(classes()) == len(set(classes()))


@every_error
def test_an_error_is_rebuilt_from_its_code_and_stored_parameters(
    error: type[LedgerError],
) -> None:
    parameters: dict[str, str | int] = dict.fromkeys(placeholders(error), 7)
    again = refusal(error.code, json.loads(json.dumps(parameters)))
    assert type(again) is error
    assert again.message == error(**parameters).message == str(again)
    assert "{" not in again.message


@every_error
def test_a_message_is_a_sentence_on_one_line(error: type[LedgerError]) -> None:
    message = error(**dict.fromkeys(placeholders(error), "x")).message
    assert message.endswith(".")
    assert "  " not in message
    assert "\n" not in message


def test_a_message_names_its_limits() -> None:
    assert AmountOutOfBounds(minimum=1, maximum=9).message == (
        "The amount must lie between 1 and 9 minor units."
    )


def test_what_may_be_repeated_is_no_refusal() -> None:
    for error in (NothingRecorded, OutcomeUnknown, Overloaded):
        assert issubclass(error, Unavailable)
        assert not issubclass(error, Refused)
        assert "same" in error().message
