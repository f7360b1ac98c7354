"""An event of every class about creators, payouts, proposals and the platform's own books."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from ledger.accounts import BANK, BANK_CHARGES, VAT, CreatorFunds, disbursement
from ledger.events import (
    AdjustmentPosted,
    AllocateReceipts,
    AnyAction,
    ApprovalGiven,
    BankCharged,
    CapitalAdded,
    CreatorClosed,
    CreatorRegistered,
    CreatorReinstated,
    CreatorSuspended,
    CreatorVerificationChanged,
    CurrencyExchanged,
    DebtWrittenOff,
    DestinationAdded,
    DestinationRemoved,
    DestinationVerified,
    DocumentIssued,
    DocumentLine,
    Event,
    FeePlanAssigned,
    FundsHeld,
    HoldReleased,
    PayoutAttemptFailed,
    PayoutCancelled,
    PayoutContradictionRecorded,
    PayoutDestination,
    PayoutFailed,
    PayoutFailureAttested,
    PayoutHeld,
    PayoutPaid,
    PayoutRejected,
    PayoutReleased,
    PayoutRequested,
    PayoutReturned,
    PayoutScheduleSet,
    PayoutSubmissionStarted,
    PayoutSubmissionUnknown,
    PayoutSubmitted,
    PlatformWithdrawn,
    PostAdjustment,
    ProposalCarriedOut,
    ProposalMade,
    ProposalRejected,
    ProviderSettled,
    ReturnReceipt,
    TaxProfileSet,
    TaxRemitted,
    WalletFunded,
    WriteOffDebt,
)
from ledger.journal_entry import entry
from ledger.money import Money
from ledger.postings import (
    PayoutLegs,
    bank_charged,
    capital_added,
    currency_exchanged,
    debt_written_off,
    funds_held,
    hold_released,
    payout_given_back,
    payout_paid,
    payout_requested,
    payout_returned,
    platform_withdrew,
    provider_settled,
    tax_remitted,
    wallet_funded,
)
from tests.ledger.example_fields import (
    CLAIM,
    CREATOR,
    DESTINATION,
    HOLD,
    OCCURRED_AT,
    PAYMENT,
    PLACE,
    PLAN,
    REASON,
    RECORDED_AT,
    REFUND,
    REPORTED,
    kes,
)
from tests.ledger.payment_examples import RECEIPTS

LEGS: Final = PayoutLegs(net=94_652, fee=300, vat=48, withholding=5_000)
OWED: Final[dict[str, Any]] = {"currency": "KES", "creator_id": CREATOR}
PAID_FROM: Final = disbursement("sandbox")
CORRECTION: Final = entry("KES", (BANK_CHARGES, 250), (BANK, -250))
STATED: Final[dict[str, Any]] = {
    **PLACE,
    "occurred_at": OCCURRED_AT,
    "reference": "statement 7, line 3",
}

CREATORS: Final[tuple[Event, ...]] = (
    CreatorRegistered(name=UUID(int=17), settlement_currency="KES", **PLACE),
    FeePlanAssigned(plan=PLAN, **PLACE),
    CreatorVerificationChanged(verification="rejected", reason=REASON, **PLACE),
    CreatorSuspended(reason=REASON, **PLACE),
    CreatorReinstated(reason=REASON, **PLACE),
    CreatorClosed(reason=REASON, **PLACE),
    TaxProfileSet(country="KE", withholding_basis_points=500, tax_number=UUID(int=22), **PLACE),
    DestinationAdded(
        destination_id=DESTINATION,
        provider="sandbox",
        account=UUID(int=23),
        usable_at=RECORDED_AT + timedelta(days=2),
        **PLACE,
    ),
    DestinationVerified(destination_id=DESTINATION, **PLACE),
    DestinationRemoved(destination_id=DESTINATION, **PLACE),
    PayoutScheduleSet(
        interval="monthly", day=28, destination_id=DESTINATION, minimum=50_000, **PLACE
    ),
    FundsHeld(
        hold_id=HOLD,
        held=kes(7_000),
        reason=REASON,
        expires_at=RECORDED_AT + timedelta(days=30),
        entry=funds_held(kes(7_000), creator_id=CREATOR),
        **PLACE,
    ),
    HoldReleased(
        hold_id=HOLD,
        expired=True,
        entry=hold_released(kes(7_000), creator_id=CREATOR),
        **PLACE,
    ),
    DebtWrittenOff(
        debt=kes(900),
        reason=REASON,
        entry=debt_written_off(kes(900), creator_id=CREATOR),
        **PLACE,
    ),
)

PAYOUTS: Final[tuple[Event, ...]] = (
    PayoutRequested(
        creator_id=CREATOR,
        destination=PayoutDestination(
            destination_id=DESTINATION,
            provider="sandbox",
            account=UUID(int=23),
            edited_by="creator:018f5c3e",
        ),
        gross=kes(LEGS.gross),
        legs=LEGS,
        approvals_required=2,
        scheduled=True,
        entry=payout_requested(LEGS, **OWED),
        **PLACE,
    ),
    ApprovalGiven(**PLACE),
    PayoutHeld(reason=REASON, **PLACE),
    PayoutReleased(**PLACE),
    PayoutRejected(reason=REASON, entry=payout_given_back(LEGS, **OWED), **PLACE),
    PayoutCancelled(entry=payout_given_back(LEGS, **OWED), **PLACE),
    PayoutSubmissionStarted(
        attempt=2, claim=CLAIM, deadline=RECORDED_AT + timedelta(seconds=60), **PLACE
    ),
    PayoutSubmitted(attempt=2, provider_reference="b2c_2", **PLACE),
    PayoutSubmissionUnknown(attempt=2, reason="timed_out", **PLACE),
    PayoutAttemptFailed(attempt=2, reason="float_empty", **REPORTED),
    PayoutPaid(
        attempt=2,
        provider_transaction="SBX-9",
        paid_from=PAID_FROM,
        given_up=True,
        entry=payout_paid(LEGS, paid_from=PAID_FROM, funds=CreatorFunds.AVAILABLE, **OWED),
        **REPORTED,
    ),
    PayoutFailed(reason="no_such_account", entry=payout_given_back(LEGS, **OWED), **REPORTED),
    PayoutFailureAttested(grounds="not in the statement of that day", **PLACE),
    PayoutReturned(
        provider_transaction="SBX-9",
        reason="returned_by_bank",
        entry=payout_returned(LEGS, paid_from=PAID_FROM, **OWED),
        **REPORTED,
    ),
    PayoutContradictionRecorded(
        state="paid", claim="failed", provider_transaction="SBX-9", **REPORTED
    ),
)

ACTIONS: Final[tuple[AnyAction, ...]] = (
    PostAdjustment(adjustment_id=UUID(int=24), entry=CORRECTION, reason=REASON),
    AllocateReceipts(
        payment_id=PAYMENT,
        receipts=RECEIPTS,
        settlement_delay_seconds=259_200,
        reason=REASON,
    ),
    ReturnReceipt(refund_id=REFUND, receipt=RECEIPTS[0], reason=REASON),
    WriteOffDebt(creator_id=CREATOR, debt=kes(900), reason=REASON),
)
"""One of every kind: each is stored within its proposal."""

PROPOSALS: Final[tuple[Event, ...]] = (
    *(ProposalMade(action=action, second_person=True, **PLACE) for action in ACTIONS),
    ProposalCarriedOut(**PLACE),
    ProposalRejected(reason=REASON, **PLACE),
)

BOOKS: Final[tuple[Event, ...]] = (
    ProviderSettled(
        provider="sandbox",
        reference="st_1",
        settled=kes(500_000),
        fees=1_250,
        entry=provider_settled(kes(500_000), 1_250, provider="sandbox"),
        **REPORTED,
    ),
    WalletFunded(
        provider="sandbox",
        funded_from="bank",
        funded=kes(200_000),
        entry=wallet_funded(kes(200_000), provider="sandbox", funded_from=BANK),
        **STATED,
    ),
    BankCharged(charge=kes(250), entry=bank_charged(kes(250)), **STATED),
    TaxRemitted(tax="vat", remitted=kes(2_500), entry=tax_remitted(kes(2_500), tax=VAT), **STATED),
    PlatformWithdrawn(withdrawn=kes(9_000), entry=platform_withdrew(kes(9_000)), **STATED),
    CapitalAdded(added=kes(1_000_000), entry=capital_added(kes(1_000_000)), **STATED),
    CurrencyExchanged(
        paid_from=BANK,
        paid=kes(129_000),
        received_in=PAID_FROM,
        received=Money(amount=1_000, currency="USD"),
        rate_numerator=1,
        rate_denominator=129,
        entry=currency_exchanged(
            kes(129_000),
            Money(amount=1_000, currency="USD"),
            paid_from=BANK,
            received_in=PAID_FROM,
        ),
        **STATED,
    ),
    AdjustmentPosted(reason=REASON, entry=CORRECTION, **PLACE),
)

DOCUMENTS: Final[tuple[Event, ...]] = (
    DocumentIssued(
        kind="fee_invoice",
        creator_id=CREATOR,
        month="2026-03",
        currency="KES",
        lines=(
            DocumentLine(what="platform fees", amount=15_626),
            DocumentLine(what="VAT", amount=0),
        ),
        up_to_position=4_711,
        **PLACE,
    ),
)
