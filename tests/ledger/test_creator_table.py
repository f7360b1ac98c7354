"""Every command about a creator in every standing, and a payout to every kind of destination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final, get_args
from uuid import uuid4

import pytest

from ledger.commands import LedgerCommand
from ledger.creator import Creator, Verification
from ledger.errors import (
    AlreadyExists,
    CreatorAlreadyRegistered,
    CreatorIsClosed,
    CreatorIsSuspended,
    CreatorNotFound,
    CreatorStandingUnchanged,
    CurrencyDiffers,
    CurrencyNotAccepted,
    DestinationNotFound,
    ExpiryPassed,
    HoldNotFound,
    InsufficientFunds,
    NoDebt,
    NotYetDue,
    SelfPayment,
    VerificationMissing,
)
from ledger.events import (
    CreatorClosed,
    CreatorRegistered,
    CreatorReinstated,
    CreatorSuspended,
    CreatorVerificationChanged,
    DebtWrittenOff,
    DestinationAdded,
    DestinationRemoved,
    DestinationVerified,
    FeePlanAssigned,
    FundsHeld,
    HoldReleased,
    PaymentInitiated,
    PayoutRequested,
    PayoutScheduleSet,
    ProposalCarriedOut,
    ProposalMade,
    TaxProfileSet,
    WriteOffDebt,
)
from ledger.money import Money
from tests.builders import (
    GROSS,
    NOON,
    PLAN,
    assign_fee_plan,
    initiate_payment,
    register_creator,
)
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, DESTINATION, MOMENT, NOBODY, PAYMENT, payable
from tests.ledger.tables import Decided, Table
from tests.money_builders import (
    REASON,
    add_destination,
    close_creator,
    hold_funds,
    propose,
    reinstate_creator,
    release_hold,
    remove_destination,
    report_refund,
    request_payout,
    set_payout_schedule,
    set_tax_profile,
    suspend_creator,
    verify_creator,
    verify_destination,
)

HOLD: Final = uuid4()
UNVERIFIED: Final = uuid4()
EXPIRY: Final = NOON + timedelta(days=1)
AVAILABLE: Final = 88_400 - 1_000


def verified() -> History:
    """With a destination and one that is not verified, 1,000 held and 87,400 available."""
    return payable().given(
        add_destination(CREATOR, UNVERIFIED), hold_funds(CREATOR, 1_000, EXPIRY, hold_id=HOLD)
    )


def in_debt() -> History:
    """Everything was paid out, and then the provider refunded the fan unasked."""
    return verified().given(
        request_payout(CREATOR, DESTINATION), report_refund(PAYMENT, None, GROSS)
    )


def write_off(amount: int, currency: str = "KES") -> LedgerCommand:
    debt = Money(amount=amount, currency=currency)
    return propose(WriteOffDebt(creator_id=CREATOR, debt=debt, reason=REASON))


STATES: Final[dict[str, Callable[[], History]]] = {
    "none": History,
    "unverified": lambda: verified().given(verify_creator(CREATOR, "unverified")),
    "submitted": lambda: verified().given(verify_creator(CREATOR, "submitted")),
    "rejected": lambda: verified().given(verify_creator(CREATOR, "rejected")),
    "verified": verified,
    "in debt": in_debt,
    "suspended": lambda: verified().given(suspend_creator(CREATOR)),
    "closed": lambda: verified().given(close_creator(CREATOR)),
    "suspended and closed": lambda: verified().given(
        suspend_creator(CREATOR), close_creator(CREATOR)
    ),
}

TEXT: Final = """
                          none unve subm reje veri debt susp clos both
register                  regi !reg !reg !reg !reg !reg !reg !reg !reg
assign a plan             !cre plan plan plan plan plan plan plan plan
assign the same plan      !cre -    -    -    -    -    -    -    -
submit for verification   !cre veri -    veri veri veri veri veri veri
verify                    !cre veri veri veri -    -    -    -    -
reject                    !cre veri veri -    veri veri veri veri veri
suspend                   !cre susp susp susp susp susp !sta !clo !clo
reinstate                 !cre !sta !sta !sta !sta !sta rein !sta rein
close                     !cre clos clos clos clos clos clos !clo !clo
set the tax profile       !cre taxp taxp taxp taxp taxp taxp taxp taxp
add a destination         !cre dest dest dest dest dest dest dest dest
add it again              !cre !exi !exi !exi !exi !exi !exi !exi !exi
verify the destination    !cre desv desv desv desv desv desv desv desv
verify it again           !cre -    -    -    -    -    -    -    -
verify an unknown one     !cre !des !des !des !des !des !des !des !des
remove the destination    !cre remo remo remo remo remo remo remo remo
remove an unknown one     !cre !des !des !des !des !des !des !des !des
pay out weekly            !cre sche sche sche sche sche sche sche sche
pay out when asked        !cre sche sche sche sche sche sche sche sche
pay out to an unknown one !cre !des !des !des !des !des !des !des !des
hold                      !cre hold hold hold hold !fun hold hold hold
hold too much             !cre !fun !fun !fun !fun !fun !fun !fun !fun
hold what has expired     !cre !exp !exp !exp !exp !exp !exp !exp !exp
hold another currency     !cre !cur !cur !cur !cur !cur !cur !cur !cur
hold again                !cre !exi !exi !exi !exi !exi !exi !exi !exi
release                   !cre rele rele rele rele rele rele rele rele
expire too early          !cre !due !due !due !due !due !due !due !due
expire                    !cre rele rele rele rele rele rele rele rele
release an unknown one    !cre !hol !hol !hol !hol !hol !hol !hol !hol
pay                       !cre init init init init init init !clo !clo
pay themself              !cre !slf !slf !slf !slf !slf !slf !clo !clo
pay another currency      !cre !acc !acc !acc !acc !acc !acc !clo !clo
pay out                   !cre !ver !ver !ver requ !fun !sus requ !sus
write off                 !cre !deb !deb !deb !deb wrof !deb !deb !deb
write off too much        !cre !deb !deb !deb !deb !deb !deb !deb !deb
write off another money   !cre !cur !cur !cur !cur !cur !cur !cur !cur
"""

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "register": register_creator(CREATOR),
    "assign a plan": assign_fee_plan(CREATOR),
    "assign the same plan": assign_fee_plan(CREATOR, PLAN.fee_basis_points),
    "submit for verification": verify_creator(CREATOR, "submitted"),
    "verify": verify_creator(CREATOR),
    "reject": verify_creator(CREATOR, "rejected"),
    "suspend": suspend_creator(CREATOR),
    "reinstate": reinstate_creator(CREATOR),
    "close": close_creator(CREATOR),
    "set the tax profile": set_tax_profile(CREATOR),
    "add a destination": add_destination(CREATOR, uuid4()),
    "add it again": add_destination(CREATOR, DESTINATION),
    "verify the destination": verify_destination(CREATOR, UNVERIFIED),
    "verify it again": verify_destination(CREATOR, DESTINATION),
    "verify an unknown one": verify_destination(CREATOR, NOBODY),
    "remove the destination": remove_destination(CREATOR, DESTINATION),
    "remove an unknown one": remove_destination(CREATOR, NOBODY),
    "pay out weekly": set_payout_schedule(CREATOR, DESTINATION),
    "pay out when asked": set_payout_schedule(CREATOR, None, None),
    "pay out to an unknown one": set_payout_schedule(CREATOR, NOBODY),
    "hold": hold_funds(CREATOR, AVAILABLE, EXPIRY),
    "hold too much": hold_funds(CREATOR, AVAILABLE + 1, EXPIRY),
    "hold what has expired": hold_funds(CREATOR, 1, NOON),
    "hold another currency": replace(
        hold_funds(CREATOR, 1, EXPIRY), held=Money(amount=1, currency="UGX")
    ),
    "hold again": hold_funds(CREATOR, 1, EXPIRY, hold_id=HOLD),
    "release": release_hold(CREATOR, HOLD),
    "expire too early": release_hold(CREATOR, HOLD, expired=True),
    "expire": release_hold(CREATOR, HOLD, expired=True),
    "release an unknown one": release_hold(CREATOR, NOBODY),
    "pay": initiate_payment(CREATOR),
    "pay themself": initiate_payment(CREATOR, fan_id=CREATOR),
    "pay another currency": initiate_payment(CREATOR, currency="UGX"),
    "pay out": request_payout(CREATOR, DESTINATION),
    "write off": write_off(88_400),
    "write off too much": write_off(88_401),
    "write off another money": write_off(1, "UGX"),
}

CELLS: Final[dict[str, Decided]] = {
    "!reg": CreatorAlreadyRegistered,
    "!cre": CreatorNotFound,
    "!clo": CreatorIsClosed,
    "!sus": CreatorIsSuspended,
    "!sta": CreatorStandingUnchanged,
    "!ver": VerificationMissing,
    "!exi": AlreadyExists,
    "!des": DestinationNotFound,
    "!fun": InsufficientFunds,
    "!exp": ExpiryPassed,
    "!cur": CurrencyDiffers,
    "!hol": HoldNotFound,
    "!due": NotYetDue,
    "!slf": SelfPayment,
    "!acc": CurrencyNotAccepted,
    "!deb": NoDebt,
    "-": ([], None),
    "regi": ([CreatorRegistered, FeePlanAssigned], None),
    "plan": ([FeePlanAssigned], None),
    "veri": ([CreatorVerificationChanged], None),
    "susp": ([CreatorSuspended], None),
    "rein": ([CreatorReinstated], None),
    "clos": ([CreatorClosed], None),
    "taxp": ([TaxProfileSet], None),
    "dest": ([DestinationAdded], None),
    "desv": ([DestinationVerified], None),
    "remo": ([DestinationRemoved], None),
    "sche": ([PayoutScheduleSet], None),
    "hold": ([FundsHeld], None),
    "rele": ([HoldReleased], None),
    "init": ([PaymentInitiated], None),
    "requ": ([PayoutRequested], None),
    "wrof": ([ProposalMade, DebtWrittenOff, ProposalCarriedOut], None),
}

TABLE: Final = Table(
    text=TEXT,
    states=STATES,
    commands=COMMANDS,
    cells=CELLS,
    at={"expire too early": EXPIRY - MOMENT, "expire": EXPIRY},
)


def test_the_table_knows_every_standing_and_every_verification_of_a_creator() -> None:
    creators = [history().aggregates[CREATOR] for name, history in STATES.items() if name != "none"]
    found = [creator for creator in creators if isinstance(creator, Creator)]
    assert {creator.standing for creator in found} == {"active", "suspended", "closed"}
    assert {creator.verification for creator in found} == set(get_args(Verification))


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_command_in_a_standing_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)
