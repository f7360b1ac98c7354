"""Every fact of the platform's own books, stated for the first time and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.accounts import (
    BANK,
    BANK_CHARGES,
    PLATFORM_FEES,
    REFUNDS_IN_TRANSIT,
    collection,
    disbursement,
    disputed,
    suspense,
)
from ledger.callbacks import Verdict
from ledger.commands import (
    AddCapital,
    AwaitConfirmation,
    ExchangeCurrency,
    FundWallet,
    IgnoreCallback,
    IssueDocument,
    LedgerCommand,
    ParkCallback,
    RecordBankCharge,
    RecordSettlement,
    RemitTax,
    SettlementReport,
    WithdrawEarnings,
)
from ledger.errors import (
    AccountNotAdjustable,
    AlreadyExists,
    AmountOutOfBounds,
    CreatorNotFound,
    CurrencyDiffers,
    InsufficientFunds,
    RateDiffers,
)
from ledger.events import (
    AdjustmentPosted,
    BankCharged,
    CapitalAdded,
    CurrencyExchanged,
    DocumentIssued,
    DocumentLine,
    PlatformWithdrawn,
    PostAdjustment,
    ProposalCarriedOut,
    ProposalMade,
    ProviderSettled,
    TaxRemitted,
    WalletFunded,
)
from ledger.inbox import InboxEntry
from ledger.journal_entry import entry
from ledger.money import AMOUNT_MAX, Money
from tests.builders import PROVIDER, envelope, initiate_payment, kes, natural_key, register_creator
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, NOBODY
from tests.ledger.tables import Decided, Table
from tests.money_builders import REASON, propose

FACT: Final = uuid4()
SERIES: Final = uuid4()
FLOAT: Final = disbursement(PROVIDER)
AVAILABLE: Final = f"creator:{CREATOR}:available"
FAN: Final = UUID(int=0xFA)
GOODWILL: Final = f"fan:{FAN}:goodwill"

CALLBACK: Final = InboxEntry(
    inbox_id=uuid4(),
    provider=PROVIDER,
    natural_key="msg_1",
    headers={},
    key_id=uuid4(),
    of_unknown_origin=True,
    body_hash="5e" * 32,
    ciphertext=b"",
)


def stated(fact_id: UUID = FACT) -> dict[str, Any]:
    return {"fact_id": fact_id, "reference": "statement 7", **envelope(None)}


def settle(amount: int, fees: int, *, inbox_entry: InboxEntry | None = None) -> RecordSettlement:
    return RecordSettlement(
        fact_id=FACT,
        report=SettlementReport(
            provider=PROVIDER, reference="st_1", settled=kes(amount), fees=fees
        ),
        inbox_entry=inbox_entry,
        **envelope(natural_key()),
    )


def exchange(
    received: int,
    *,
    paid_from: str = BANK,
    received_in: str = FLOAT,
    currency: str = "USD",
) -> ExchangeCurrency:
    """129.50 Kenyan shillings are a dollar: 10,000 are 77.22 dollars."""
    return ExchangeCurrency(
        paid_from=paid_from,
        paid=kes(1_000_000),
        received_in=received_in,
        received=Money(amount=received, currency=currency),
        rate_numerator=2,
        rate_denominator=259,
        **stated(),
    )


def adjust(
    account: str, currency: str = "KES", *, amount: int = 500, fact_id: UUID = FACT
) -> LedgerCommand:
    correction = entry(currency, (account, amount), (PLATFORM_FEES, -amount))
    return propose(PostAdjustment(adjustment_id=fact_id, entry=correction, reason=REASON))


def issue(creator_id: UUID = CREATOR, month: str = "2026-02") -> IssueDocument:
    return IssueDocument(
        series_id=SERIES,
        kind="fee_invoice",
        creator_id=creator_id,
        month=month,
        currency="KES",
        lines=(DocumentLine(what="platform fees", amount=10_000),),
        up_to_position=7,
        **envelope(None),
    )


def charged() -> History:
    """The fact was stated, as a charge of the bank, and a document was issued."""
    return History().given(
        register_creator(CREATOR), RecordBankCharge(money=kes(300), **stated()), issue()
    )


STATES: Final[dict[str, Callable[[], History]]] = {
    "new": lambda: History().given(register_creator(CREATOR)),
    "stated": charged,
    "a payment's id": lambda: History().given(
        register_creator(CREATOR), initiate_payment(CREATOR, payment_id=FACT)
    ),
}

TEXT: Final = """
                               new   stated another
settlement                     settl !exi   !exi
settlement without fees        settl !exi   !exi
settlement all of it fees      settl !exi   !exi
settlement with more fees      !amt  !exi   !amt
settlement reported            repor dup    !exi
float filled by the bank       fill  !exi   !exi
float filled by the collection fill  !exi   !exi
bank charge                    charg !exi   !exi
VAT remitted                   tax   !exi   !exi
withholding remitted           tax   !exi   !exi
withdrawn                      withd !exi   !exi
capital added                  capit !exi   !exi
exchanged                      excha !exi   !exi
exchanged, rounded up          excha !exi   !exi
exchanged inside a provider    excha !exi   !exi
exchanged for too little       !rat  !exi   !rat
exchanged for too much         !rat  !exi   !rat
exchanged for the same money   !cur  !exi   !cur
exchanged by a creator         !acc  !exi   !acc
exchanged out of a dispute     !acc  !exi   !acc
adjust a charge                adjus !exi   !exi
adjust a creator               adjus !exi   !exi
adjust nobody                  !cre  !exi   !cre
adjust another currency        !cur  !exi   !cur
adjust pending                 !acc  !exi   !acc
adjust suspense                !acc  !exi   !acc
adjust refunds                 !acc  !exi   !acc
adjust a dispute               !acc  !exi   !acc
adjust a fan's credit          !acc  !exi   !acc
adjust what credit reserves    !acc  !exi   !acc
give a fan goodwill            adjus !exi   !exi
take goodwill that nobody has  !ins  !exi   !ins
document                       docum !exi   docum
document of another month      docum docum  docum
document of another creator    docum docum  docum
unreadable                     park  park   park
a hint                         wait  wait   wait
ignored by a person            ign   ign    ign
"""

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "settlement": settle(100_000, 250),
    "settlement without fees": settle(100_000, 0),
    "settlement all of it fees": settle(250, 250),
    "settlement with more fees": settle(250, 251),
    "settlement reported": settle(100_000, 250, inbox_entry=CALLBACK),
    "float filled by the bank": FundWallet(
        provider=PROVIDER, funded_from="bank", money=kes(5_000), **stated()
    ),
    "float filled by the collection": FundWallet(
        provider=PROVIDER, funded_from="collection", money=kes(5_000), **stated()
    ),
    "bank charge": RecordBankCharge(money=kes(300), **stated()),
    "VAT remitted": RemitTax(tax="vat", money=kes(1_600), **stated()),
    "withholding remitted": RemitTax(tax="withholding", money=kes(1_600), **stated()),
    "withdrawn": WithdrawEarnings(money=kes(9_000), **stated()),
    "capital added": AddCapital(money=kes(1_000_000), **stated()),
    "exchanged": exchange(7_722),
    "exchanged, rounded up": exchange(7_723),
    "exchanged inside a provider": exchange(
        7_722, paid_from=collection(PROVIDER), received_in=collection(PROVIDER)
    ),
    "exchanged for too little": exchange(7_721),
    "exchanged for too much": exchange(7_724),
    "exchanged for the same money": exchange(7_722, currency="KES"),
    "exchanged by a creator": exchange(7_722, paid_from=AVAILABLE),
    "exchanged out of a dispute": exchange(7_722, received_in=disputed(PROVIDER)),
    "adjust a charge": adjust(BANK_CHARGES),
    "adjust a creator": adjust(AVAILABLE),
    "adjust nobody": adjust(f"creator:{NOBODY}:available"),
    "adjust another currency": adjust(AVAILABLE, "UGX"),
    "adjust pending": adjust(f"creator:{CREATOR}:pending"),
    "adjust suspense": adjust(suspense(PROVIDER)),
    "adjust refunds": adjust(REFUNDS_IN_TRANSIT),
    "adjust a dispute": adjust(disputed(PROVIDER)),
    "adjust a fan's credit": adjust(f"fan:{FAN}:credit"),
    "adjust what credit reserves": adjust(f"fan:{FAN}:credit_reserved"),
    "give a fan goodwill": adjust(GOODWILL, amount=-500),
    "take goodwill that nobody has": adjust(GOODWILL),
    "document": issue(),
    "document of another month": issue(month="2026-01"),
    "document of another creator": issue(NOBODY),
    "unreadable": ParkCallback(
        reason="unreadable_body", inbox_entry=CALLBACK, **envelope(natural_key())
    ),
    "a hint": AwaitConfirmation(
        reason="to_be_confirmed", inbox_entry=CALLBACK, **envelope(natural_key())
    ),
    "ignored by a person": IgnoreCallback(
        reason="it is about another platform", inbox_entry=CALLBACK, **envelope(natural_key())
    ),
}

CELLS: Final[dict[str, Decided]] = {
    "!exi": AlreadyExists,
    "!amt": AmountOutOfBounds,
    "!rat": RateDiffers,
    "!cur": CurrencyDiffers,
    "!acc": AccountNotAdjustable,
    "!cre": CreatorNotFound,
    "!ins": InsufficientFunds,
    "dup": ([], Verdict.DUPLICATE),
    "park": ([], Verdict.PARKED),
    "wait": ([], Verdict.RETRYING),
    "ign": ([], Verdict.IGNORED),
    "settl": ([ProviderSettled], None),
    "repor": ([ProviderSettled], Verdict.APPLIED),
    "fill": ([WalletFunded], None),
    "charg": ([BankCharged], None),
    "tax": ([TaxRemitted], None),
    "withd": ([PlatformWithdrawn], None),
    "capit": ([CapitalAdded], None),
    "excha": ([CurrencyExchanged], None),
    "adjus": ([ProposalMade, AdjustmentPosted, ProposalCarriedOut], None),
    "docum": ([DocumentIssued], None),
}

TABLE: Final = Table(text=TEXT, states=STATES, commands=COMMANDS, cells=CELLS)


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_fact_is_recorded_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)


def test_goodwill_can_be_taken_back_as_far_as_it_is_there() -> None:
    history = History().given(adjust(GOODWILL, amount=-500, fact_id=uuid4()))
    with pytest.raises(InsufficientFunds) as refused:
        history.decide(adjust(GOODWILL, amount=501))
    assert refused.value.parameters == {"available": 500, "currency": "KES"}
    with pytest.raises(InsufficientFunds):
        history.decide(adjust(GOODWILL, "UGX", amount=1))
    in_two = entry("KES", (GOODWILL, 300), (GOODWILL, 201), (PLATFORM_FEES, -501))
    with pytest.raises(InsufficientFunds):
        history.decide(propose(PostAdjustment(adjustment_id=FACT, entry=in_two, reason=REASON)))
    history.given(adjust(GOODWILL, amount=499, fact_id=uuid4()))
    history.given(adjust(GOODWILL, amount=1, fact_id=uuid4()))
    assert (GOODWILL, "KES") not in history.balances()


def test_documents_of_a_series_are_numbered_without_a_gap() -> None:
    history = charged().given(issue(NOBODY), issue(month="2026-01"))
    issued = [event for event in history.events if isinstance(event, DocumentIssued)]
    assert [event.originator_version for event in issued] == [1, 2, 3]
    assert {event.originator_id for event in issued} == {SERIES}


@given(
    paid=st.integers(1, AMOUNT_MAX),
    numerator=st.integers(1, 10**12),
    denominator=st.integers(1, 10**12),
    off=st.integers(-2, 2),
)
def test_what_is_received_agrees_with_the_rate_to_within_one_unit(
    paid: int, numerator: int, denominator: int, off: int
) -> None:
    exact = Fraction(paid * numerator, denominator)
    received = floor(exact) + off
    assume(1 <= received <= AMOUNT_MAX)
    command = replace(
        exchange(received),
        paid=kes(paid),
        rate_numerator=numerator,
        rate_denominator=denominator,
    )
    try:
        events = History().decide(command).events
    except RateDiffers:
        assert received not in {floor(exact), ceil(exact)}
    else:
        assert received in {floor(exact), ceil(exact)}
        assert len(events) == 1
