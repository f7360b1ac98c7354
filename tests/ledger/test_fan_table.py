"""Every request of a fan about themself, in every state of the code that is out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import uuid4

import pytest

from ledger.commands import LedgerCommand, fan_stream
from ledger.errors import ConfirmationNotFound, ConfirmationOver, TooManyConfirmations
from ledger.events import (
    EmailSet,
    PhoneConfirmationFailed,
    PhoneConfirmationStarted,
    PhoneConfirmed,
)
from ledger.fan import CODES_MAX, TRIES_MAX, Fan
from tests.builders import NOON
from tests.ledger.given import History
from tests.ledger.scenes import FAN, MOMENT
from tests.ledger.tables import Decided, Table
from tests.subscription_builders import CODE_SECONDS, confirm_phone, set_email, start_confirmation

CODE: Final = uuid4()
PHONE: Final = uuid4()
OTHER_PHONE: Final = uuid4()
EMAIL: Final = uuid4()

START: Final = start_confirmation(FAN, PHONE, confirmation_id=CODE)
RIGHT: Final = confirm_phone(FAN, CODE)
WRONG: Final = confirm_phone(FAN, CODE, right=False)


def out() -> History:
    """A code is on its way to the phone."""
    return History().given(START)


def failed(times: int) -> History:
    return out().given(*(WRONG for _ in range(times)))


def confirmed() -> History:
    return out().given(RIGHT)


def many() -> History:
    """The last of as many codes as there may be within an hour."""
    history = History()
    for minute in range(CODES_MAX - 1):
        history.at(NOON + timedelta(minutes=minute)).given(start_confirmation(FAN))
    return history.at(NOON + timedelta(minutes=CODES_MAX)).given(START)


OVER: Final = timedelta(seconds=CODE_SECONDS)
HOUR: Final = timedelta(hours=1)

STATES: Final[dict[str, Callable[[], History]]] = {
    "nothing": History,
    "out": out,
    "4 failures": lambda: failed(TRIES_MAX - 1),
    "5 failures": lambda: failed(TRIES_MAX),
    "almost over": lambda: out().at(NOON + OVER - MOMENT),
    "over by time": lambda: out().at(NOON + OVER),
    "over by a newer code": lambda: out().given(start_confirmation(FAN)),
    "confirmed": confirmed,
    "5 codes": many,
    "almost an hour later": lambda: many().at(NOON + HOUR - MOMENT),
    "an hour later": lambda: many().at(NOON + HOUR),
    "with an address": lambda: History().given(set_email(FAN, EMAIL)),
}

TEXT: Final = """
                 none out  4    5    almo over newr conf many almh hour mail
another code     strt strt strt strt strt strt strt strt !too !too strt strt
another phone's  strt strt strt strt strt strt strt strt !too !too strt strt
the right code   !not conf conf !ovr conf !ovr !not !not conf !ovr !ovr !not
a wrong code     !not fail fail !ovr fail !ovr !not !not fail !ovr !ovr !not
an unknown one's !not !not !not !not !not !not !not !not !not !not !not !not
set an address   mail mail mail mail mail mail mail mail mail mail mail -
set another      mail mail mail mail mail mail mail mail mail mail mail mail
set none         -    -    -    -    -    -    -    -    -    -    -    mail
"""

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "another code": start_confirmation(FAN, PHONE),
    "another phone's": start_confirmation(FAN, OTHER_PHONE),
    "the right code": RIGHT,
    "a wrong code": WRONG,
    "an unknown one's": confirm_phone(FAN, uuid4()),
    "set an address": set_email(FAN, EMAIL),
    "set another": set_email(FAN, uuid4()),
    "set none": set_email(FAN, None),
}

CELLS: Final[dict[str, Decided]] = {
    "!too": TooManyConfirmations,
    "!not": ConfirmationNotFound,
    "!ovr": ConfirmationOver,
    "-": ([], None),
    "strt": ([PhoneConfirmationStarted], None),
    "conf": ([PhoneConfirmed], None),
    "fail": ([PhoneConfirmationFailed], None),
    "mail": ([EmailSet], None),
}

TABLE: Final = Table(
    text=TEXT,
    states=STATES,
    commands=COMMANDS,
    cells=CELLS,
    after=dict.fromkeys(COMMANDS, timedelta(0)),
)


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_request_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)


def _fan(history: History) -> Fan:
    fan = history.aggregates[fan_stream(FAN)]
    assert isinstance(fan, Fan)
    return fan


def test_a_fan_may_have_several_confirmed_phones() -> None:
    history = confirmed().given(
        start_confirmation(FAN, OTHER_PHONE, confirmation_id=CODE), confirm_phone(FAN, CODE)
    )
    assert _fan(history).confirmed == {PHONE, OTHER_PHONE}


def test_a_right_code_confirms_the_phone_that_it_was_sent_to_and_no_other() -> None:
    history = out().given(start_confirmation(FAN, OTHER_PHONE, confirmation_id=uuid4()))
    with pytest.raises(ConfirmationNotFound):
        history.decide(RIGHT)
    assert _fan(history).confirmed == frozenset()


def test_who_asked_for_too_many_codes_is_told_how_long_to_wait() -> None:
    history = many()
    with pytest.raises(TooManyConfirmations) as refused:
        history.decide(START)
    # The first of five was sent five minutes ago.
    assert refused.value.parameters == {"seconds": 55 * 60 + 1}
