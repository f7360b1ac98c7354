"""What may be asked to be paid out, to which destination, and what is frozen by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from ledger.commands import LedgerCommand, RequestPayout
from ledger.creator import DESTINATIONS_MAX
from ledger.errors import (
    AmountNotPayable,
    CreatorIsSuspended,
    CurrencyDiffers,
    DestinationNotFound,
    DestinationNotUsable,
    InsufficientFunds,
    PayoutTooSmall,
    TooManyDestinations,
)
from ledger.events import PayoutRequested
from ledger.payout import Payout, PayoutState
from ledger.postings import PayoutLegs
from tests.builders import NOON
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, DESTINATION, MOMENT, PAYOUT, payable
from tests.ledger.tables import Decided, Table
from tests.money_builders import (
    PAYOUT_TERMS,
    add_destination,
    approve_payout,
    remove_destination,
    request_payout,
    set_tax_profile,
    start_payout,
    suspend_creator,
    verify_destination,
)

AVAILABLE: Final = 88_400
COOLING_SECONDS: Final = 3_600
TERMS: Final = replace(
    PAYOUT_TERMS, fixed_fee=1_000, fee_basis_points=50, vat_basis_points=1_600, minimum=100
)


def added_again(*, cooling_seconds: int = 0, verified: bool = True) -> History:
    """The same destination was removed and added again."""
    history = payable().given(
        remove_destination(CREATOR, DESTINATION),
        add_destination(CREATOR, DESTINATION, cooling_seconds=cooling_seconds),
    )
    return history.given(verify_destination(CREATOR, DESTINATION)) if verified else history


STATES: Final[dict[str, Callable[[], History]]] = {
    "usable": payable,
    "unverified": lambda: added_again(verified=False),
    "cooling": lambda: added_again(cooling_seconds=COOLING_SECONDS),
    "cooling and unverified": lambda: added_again(cooling_seconds=COOLING_SECONDS, verified=False),
    "removed": lambda: payable().given(remove_destination(CREATOR, DESTINATION)),
    "nothing is left": lambda: payable().given(request_payout(CREATOR, DESTINATION)),
}

TEXT: Final = """
                       usable unverified cooling both removed nothing
everything             requ   !use       !use    !use !des    !fun
some                   requ   !use       !use    !use !des    !fun
one unit too much      !fun   !use       !use    !use !des    !fun
nothing                !fun   !use       !use    !use !des    !fun
too little for the fee !sma   !use       !use    !use !des    !fun
too little for them    !sma   !use       !use    !use !des    !fun
too much for them      !amt   !use       !use    !use !des    !fun
another currency       !cur   !use       !use    !use !des    !cur
another provider       !des   !use       !use    !use !des    !des
scheduled              requ   !use       !use    !use !des    !fun
scheduled too early    !fun   !use       !use    !use !des    !fun
"""


def ask(amount: int | None = None, **terms: object) -> RequestPayout:
    return request_payout(
        CREATOR,
        DESTINATION,
        amount,
        payout_id=PAYOUT,
        terms=replace(TERMS, **terms),  # type: ignore[arg-type]  # each its own
    )


COMMANDS: Final[dict[str, LedgerCommand]] = {
    "everything": ask(),
    "some": ask(50_000),
    "one unit too much": ask(AVAILABLE + 1),
    "nothing": ask(0),
    "too little for the fee": ask(1_000),
    "too little for them": ask(1_166 + 99),
    "too much for them": ask(50_000, maximum=40_000),
    "another currency": ask(50_000, currency="UGX"),
    "another provider": ask(50_000, provider="other"),
    "scheduled": replace(ask(), scheduled=True, scheduled_minimum=AVAILABLE),
    "scheduled too early": replace(ask(), scheduled=True, scheduled_minimum=AVAILABLE + 1),
}

CELLS: Final[dict[str, Decided]] = {
    "!fun": InsufficientFunds,
    "!use": DestinationNotUsable,
    "!des": DestinationNotFound,
    "!sma": PayoutTooSmall,
    "!amt": AmountNotPayable,
    "!cur": CurrencyDiffers,
    "requ": ([PayoutRequested], None),
}

TABLE: Final = Table(text=TEXT, states=STATES, commands=COMMANDS, cells=CELLS)


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_request_to_a_destination_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)


def test_a_destination_may_be_used_from_the_moment_on_at_which_it_has_cooled() -> None:
    history = added_again(cooling_seconds=COOLING_SECONDS)
    cooled = NOON + timedelta(seconds=COOLING_SECONDS)
    with pytest.raises(DestinationNotUsable, match="cooling"):
        history.at(cooled - MOMENT).decide(ask())
    assert history.at(cooled).decide(ask()).events


def test_a_creator_has_no_more_destinations_than_the_limit() -> None:
    history = payable()
    for number in range(DESTINATIONS_MAX - 1):
        history.given(add_destination(CREATOR, UUID(int=100 + number)))
    with pytest.raises(TooManyDestinations, match=str(DESTINATIONS_MAX)):
        history.decide(add_destination(CREATOR, UUID(int=99)))


def test_a_request_freezes_fee_taxes_and_destination() -> None:
    history = payable().given(set_tax_profile(CREATOR, 500), ask(50_000, step=100))
    payout = _payout(history)
    assert payout.legs == PayoutLegs(net=46_000, fee=1_250, vat=200, withholding=2_500)
    assert payout.gross.amount == payout.legs.gross == 49_950
    assert payout.destination.edited_by == "creator:editor"
    history.given(remove_destination(CREATOR, DESTINATION), set_tax_profile(CREATOR, 0))
    assert _payout(history) == payout


def test_what_the_step_leaves_stays_available() -> None:
    history = payable().given(ask(step=1_000))
    left = -history.balances()[f"creator:{CREATOR}:available", "KES"]
    payout = _payout(history)
    assert payout.legs.net % 1_000 == 0
    assert left == AVAILABLE - payout.gross.amount
    assert 0 < left < 1_000


def test_without_approvals_a_payout_is_approved_at_once() -> None:
    assert _payout(payable().given(ask(approvals_required=0))).state is PayoutState.APPROVED


def test_a_payout_that_was_approved_is_not_sent_while_its_creator_is_suspended() -> None:
    history = payable().given(ask(), approve_payout(PAYOUT), suspend_creator(CREATOR))
    with pytest.raises(CreatorIsSuspended):
        history.decide(start_payout(PAYOUT, CREATOR))


def _payout(history: History) -> Payout:
    payout = history.aggregates[PAYOUT]
    assert isinstance(payout, Payout)
    return payout
