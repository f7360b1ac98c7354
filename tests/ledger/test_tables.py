"""The tables together leave nothing out: no command, no claim, no event, no undecided pair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, Final, get_args
from uuid import UUID

import pytest

from ledger.commands import (
    Claim,
    DisputeStage,
    InitiatePayment,
    LedgerCommand,
    PayoutClaim,
    Propose,
    RecordDisputeReport,
    RecordPayoutReport,
    RecordRefundReport,
    RecordReport,
    RefundClaim,
)
from ledger.errors import (
    CurrencyUnknown,
    DocumentNotFound,
    FeePlanMissing,
    ObligationsOpen,
    PersonErased,
    PersonNotFound,
    ProviderUnknown,
    Refused,
    RetentionOpen,
    TooManyDestinations,
)
from ledger.events import EVENT_CLASSES, AnyAction
from ledger.states import Aggregate
from tests.builders import report_success
from tests.ledger import (
    test_books_table,
    test_catalog_table,
    test_creator_table,
    test_credit_refund_table,
    test_dispute_table,
    test_fan_table,
    test_invoice_payment_table,
    test_parked_table,
    test_payment_money_table,
    test_payment_table,
    test_payout_request_table,
    test_payout_table,
    test_proposal_table,
    test_refund_table,
    test_subscribe_table,
    test_subscription_clock_table,
    test_subscription_table,
)
from tests.ledger.agreement import assert_aggregates_and_balances_agree
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, DESTINATION, FAN, PAYOUT, UNMATCHED, payable
from tests.ledger.subscription_scenes import BASIC, MONTHLY, PHONE, SUBSCRIBE, confirmed
from tests.ledger.tables import Table
from tests.money_builders import request_payout
from tests.subscription_builders import create_tier, publish_price, publish_tier

TABLES: Final[tuple[Table, ...]] = (
    test_payment_table.TABLE,
    test_payment_money_table.TABLE,
    *test_refund_table.TABLES.values(),
    test_dispute_table.TABLE,
    test_payout_table.TABLE,
    test_payout_request_table.TABLE,
    test_creator_table.TABLE,
    test_proposal_table.TABLE,
    *test_parked_table.TABLES.values(),
    test_parked_table.PAYMENT_TABLE,
    test_books_table.TABLE,
    test_catalog_table.TABLE,
    test_fan_table.TABLE,
    test_subscribe_table.TABLE,
    test_subscription_table.TABLE,
    test_subscription_clock_table.TABLE,
    *test_invoice_payment_table.TABLES.values(),
    test_credit_refund_table.TABLE,
)
COMMANDS: Final = [command for table in TABLES for command in table.commands.values()]
CELLS: Final = [cell for table in TABLES for cell in table.cells.values()]


def test_every_command_is_decided_in_a_table() -> None:
    assert {type(command) for command in COMMANDS} == set(get_args(LedgerCommand))


def test_everything_that_a_provider_may_claim_is_decided_in_a_table() -> None:
    claims = {each.report.claim for each in COMMANDS if isinstance(each, RecordReport)}
    refunds = {each.report.claim for each in COMMANDS if isinstance(each, RecordRefundReport)}
    stages = {each.report.stage for each in COMMANDS if isinstance(each, RecordDisputeReport)}
    payouts = {each.report.claim for each in COMMANDS if isinstance(each, RecordPayoutReport)}
    assert claims == set(Claim)
    assert refunds == set(RefundClaim)
    assert stages == set(get_args(DisputeStage))
    assert payouts == set(PayoutClaim)


def test_every_action_that_can_be_proposed_is_decided_in_a_table() -> None:
    proposed = {type(each.action) for each in COMMANDS if isinstance(each, Propose)}
    assert proposed == set(get_args(get_args(AnyAction)[0]))


def test_every_event_comes_out_of_a_table() -> None:
    events = {event for cell in CELLS if isinstance(cell, tuple) for event in cell[0]}
    assert events == set(EVENT_CLASSES)


def refusals(root: type[Refused] = Refused) -> set[type[Refused]]:
    """Those of the ledger that are raised themselves."""
    children = [each for each in root.__subclasses__() if each.__module__ == Refused.__module__]
    return set().union(*map(refusals, children)) if children else {root}


SHOWN_ELSEWHERE: Final = {
    # Of a creator who has no plan yet, in tests/ledger/test_payment.py.
    FeePlanMissing,
    # In tests/ledger/test_payout_request_table.py.
    TooManyDestinations,
    # Of an erasure, which is no event: in tests/ledger/test_erasures.py and tests/api.
    PersonErased,
    PersonNotFound,
    ObligationsOpen,
    RetentionOpen,
    # By the doors: what they ask about is no decision.
    CurrencyUnknown,
    DocumentNotFound,
    ProviderUnknown,
}


def test_every_refusal_comes_out_of_a_table_or_is_shown_elsewhere() -> None:
    refused = {cell for cell in CELLS if isinstance(cell, type)}
    assert refusals() - refused == SHOWN_ELSEWHERE


def test_a_pair_that_is_not_decided_fails() -> None:
    table = test_proposal_table.TABLE
    lines = table.text.splitlines()
    for text in (
        "\n".join(lines[:-1]),
        "\n".join([*lines[:-1], lines[-1].rpartition(" ")[0]]),
        table.text.replace("!sec", "!???", 1),
    ):
        with pytest.raises((AssertionError, ValueError)):
            replace(table, text=text).matrix()


# Ids of other kinds.

STREAM_IDS: Final = {
    "payment_id",
    "creator_id",
    "stream_id",
    "payout_id",
    "proposal_id",
    "fact_id",
    "series_id",
    "subscription_id",
    "tier_id",
}


def everything() -> History:
    """A stream of every kind."""
    return payable().given(
        report_success(None, transaction=UNMATCHED),
        request_payout(CREATOR, DESTINATION, payout_id=PAYOUT),
        test_proposal_table.WITH_A_SECOND,
        *(test_books_table.COMMANDS[name] for name in ("bank charge", "document")),
        create_tier(CREATOR, BASIC),
        publish_price(CREATOR, BASIC, MONTHLY),
        publish_tier(CREATOR, BASIC),
        *confirmed(FAN, PHONE),
        SUBSCRIBE,
    )


def test_there_is_a_stream_of_every_kind() -> None:
    kinds = {type(aggregate) for aggregate in everything().aggregates.values()}
    assert kinds == set(get_args(Aggregate))


@pytest.mark.parametrize("table", TABLES)
def test_an_id_of_another_kind_is_refused_or_does_no_harm(table: Table) -> None:
    history = everything()
    for command in table.commands.values():
        for stream in history.aggregates:
            for named in _naming(command, stream):
                after = history.copy()
                with suppress(Refused):
                    # It may do what it says; versions and accounts agree then.
                    after.when(named)
                assert_aggregates_and_balances_agree(after)


def _naming(command: Any, stream: UUID) -> Iterator[LedgerCommand]:  # noqa: ANN401 - any command
    """The command with each of its ids replaced by that of the stream."""
    for name in STREAM_IDS & {field.name for field in fields(command)}:
        # A payment's id that is taken is refused by the database: tests/ledger/test_turn.py.
        if not (isinstance(command, InitiatePayment) and name == "payment_id"):
            yield replace(command, **{name: stream})
    report = getattr(command, "report", None)
    if report is not None:
        for name in STREAM_IDS & {field.name for field in fields(report)}:
            yield replace(command, report=replace(report, **{name: stream}))
