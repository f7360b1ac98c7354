"""Moves of admins: proposals with a second person, and the platform's own books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from ledger.accounts import BANK, CreatorFunds, collection, creator_funds, disbursement
from ledger.commands import (
    AddCapital,
    ExchangeCurrency,
    FundWallet,
    IssueDocument,
    RecordBankCharge,
    RecordSettlement,
    RemitTax,
    SettlementReport,
    WithdrawEarnings,
)
from ledger.events import (
    AllocateReceipts,
    DocumentLine,
    PostAdjustment,
    ReceiptReference,
    ReturnReceipt,
    WriteOffDebt,
)
from ledger.flows import Parked, ParkedState
from ledger.journal_entry import entry
from ledger.money import AMOUNT_MAX, Money
from ledger.payment import Payment
from ledger.proposals import Proposal, ProposalState
from ledger.suspense import ALLOCATABLE
from tests.builders import PROVIDER
from tests.ledger.lifecycles.payouts import ADMINS
from tests.money_builders import REASON, approve_proposal, by, propose, reject_proposal

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands import Propose
    from ledger.decisions import LedgerCommand
    from ledger.events import AnyAction
    from tests.ledger.lifecycles.story import Story


SOURCES: Final[tuple[Literal["bank", "collection"], ...]] = ("bank", "collection")
TAXES: Final[tuple[Literal["vat", "withholding"], ...]] = ("vat", "withholding")


# Proposals.


def parked_money(story: Story) -> list[tuple[ReceiptReference, Parked]]:
    """All money that is or was in suspense."""
    return [
        (
            ReceiptReference(
                stream_id=owner.id,
                provider=parked.provider,
                provider_transaction=parked.transaction,
            ),
            parked,
        )
        for owner in story.owners()
        for parked in owner.flows.parked.values()
    ]


def waiting_money(story: Story) -> list[tuple[ReceiptReference, Parked]]:
    return [each for each in parked_money(story) if each[1].state is ParkedState.WAITING]


def allocatable(story: Story) -> list[Payment]:
    return [payment for payment in story.all(Payment) if payment.state in ALLOCATABLE]


def admin_proposes(story: Story, action: AnyAction) -> Propose:
    """Anything above nothing needs a second person, or nothing does."""
    return propose(
        action,
        proposal_id=story.new_id(),
        second_person_above=0 if story.chance(0.4) else 10 * AMOUNT_MAX,
        actor=story.pick(ADMINS),
    )


def parked_money_is_allocated(story: Story) -> LedgerCommand | None:
    """One to three receipts to a payment that wants them; seldom any to any."""
    wild = story.seldom()
    payment = story.some(story.all(Payment) if wild else allocatable(story))
    if payment is None:
        return None
    receipts = [
        reference
        for reference, parked in (parked_money(story) if wild else waiting_money(story))
        if wild or parked.money.currency == payment.money.currency
    ]
    return admin_proposes(story, allocation(story, payment.id, receipts)) if receipts else None


def allocation(
    story: Story, payment_id: UUID, receipts: list[ReceiptReference]
) -> AllocateReceipts:
    count = story.random.randint(1, 3)
    return AllocateReceipts(
        reason=REASON,
        payment_id=payment_id,
        receipts=tuple(story.random.sample(receipts, min(count, len(receipts)))),
        settlement_delay_seconds=story.pick((0, 4 * 3_600)),
    )


def parked_money_is_returned(story: Story) -> LedgerCommand | None:
    found = story.some(parked_money(story) if story.seldom() else waiting_money(story))
    if found is None:
        return None
    receipt = found[0]
    if story.seldom():
        receipt = receipt.model_copy(update={"provider_transaction": "T0"})
    return admin_proposes(
        story, ReturnReceipt(reason=REASON, refund_id=story.new_id(), receipt=receipt)
    )


def admin_corrects(story: Story) -> LedgerCommand | None:
    """Available may become negative by it; what follows from payments cannot be corrected."""
    funds = CreatorFunds.PENDING if story.seldom() else CreatorFunds.AVAILABLE
    account = creator_funds(story.creator_id, funds)
    amount = story.random.randint(1, 20_000) * story.pick((-1, 1))
    corrected = entry(story.currency, (account, amount), ("expense:goodwill", -amount))
    return admin_proposes(
        story,
        PostAdjustment(
            reason=REASON,
            adjustment_id=story.new_id(),
            entry=corrected,
        ),
    )


def debt_is_given_up(story: Story) -> LedgerCommand | None:
    if story.available >= 0 and not story.seldom():
        return None
    debt = min(story.part_of(max(1, -story.available)), AMOUNT_MAX)
    return admin_proposes(
        story, WriteOffDebt(reason=REASON, creator_id=story.creator_id, debt=story.money(debt))
    )


def proposal_is_decided(story: Story) -> LedgerCommand | None:
    """By a second person or the first, in whatever state; seldom something else is approved."""
    proposals = story.all(Proposal)
    waiting = [each for each in proposals if each.state is ProposalState.OPEN]
    proposal = story.some(waiting if waiting and story.chance(0.8) else proposals)
    if proposal is None:
        return None
    stream = story.new_id() if story.seldom() else proposal.id
    if story.chance(0.3):
        return reject_proposal(stream, story.pick(ADMINS))
    agreed = story.pick(proposals).action if story.chance(0.1) else proposal.action
    return approve_proposal(stream, agreed, story.pick(ADMINS))


# The platform's books.


def platform_keeps_its_books(story: Story) -> LedgerCommand | None:
    amount = story.random.randint(1_000, 500_000)
    stated: dict[str, Any] = {"fact_id": story.new_id(), "reference": "S-1", **by("admin:one")}
    money = story.money(amount)
    way = story.random.randint(0, 7)
    match way:
        case 0:
            fees = story.random.randint(0, amount) + (amount if story.seldom() else 0)
            report = SettlementReport(provider=PROVIDER, reference="S-1", settled=money, fees=fees)
            return RecordSettlement(fact_id=story.new_id(), report=report, **by("admin:one"))
        case 1:
            return FundWallet(
                provider=PROVIDER, funded_from=story.pick(SOURCES), money=money, **stated
            )
        case 2:
            return RecordBankCharge(money=money, **stated)
        case 3:
            return RemitTax(tax=story.pick(TAXES), money=money, **stated)
        case 4:
            return WithdrawEarnings(money=money, **stated)
        case 5:
            return AddCapital(money=money, **stated)
        case 6:
            return IssueDocument(
                series_id=story.series_id,
                kind="fee_invoice",
                creator_id=story.creator_id,
                month="2100-01",
                currency=story.currency,
                lines=(DocumentLine(what="fees", amount=amount),),
                up_to_position=1,
                **by("admin:one"),
            )
        case _:
            return _exchange(story, amount, stated)


def _exchange(story: Story, amount: int, stated: dict[str, Any]) -> ExchangeCurrency:
    """At a rate that the received amount agrees with, or seldom not."""
    numerator, denominator = story.pick(((3, 100), (100, 3), (1, 1)))
    received = max(1, amount * numerator // denominator) + (2 if story.seldom() else 0)
    currency = story.currency if story.seldom() else story.other_currency
    return ExchangeCurrency(
        paid_from="tax:vat" if story.seldom() else BANK,
        paid=story.money(amount),
        received_in=story.pick((BANK, collection(PROVIDER), disbursement(PROVIDER))),
        received=Money(amount=received, currency=currency),
        rate_numerator=numerator,
        rate_denominator=denominator,
        **stated,
    )


PLATFORM_MOVES: Final = (
    parked_money_is_allocated,
    parked_money_is_allocated,
    parked_money_is_returned,
    admin_corrects,
    debt_is_given_up,
    proposal_is_decided,
    proposal_is_decided,
    platform_keeps_its_books,
    platform_keeps_its_books,
)
