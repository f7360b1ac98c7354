"""Random commands against a real database and beside it a model: equal at every step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger.application import Ledger
from ledger.commands import Claim, PaymentTerms
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.decisions import LedgerCommand
from ledger.outcome import Outcome
from ledger.payment import Payment
from ledger.postings import FeePlan
from tests.builders import (
    PROVIDER,
    assign_fee_plan,
    cancel_payment,
    expire_payment,
    initiate_payment,
    record_submission_unknown,
    record_submitted,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.databases import Databases, superuser
from tests.invariants import assert_book_is_sound
from tests.ledger.model import Expected, Model

PLANS = [(1_000, 1_600), (0, 0), (1, 1_600), (9_999, 0)]
AMOUNTS = [100, 99, 12_345, 3, 10**15, 1]
TERMS = PaymentTerms(
    provider=PROVIDER, step=1, minimum=2, maximum=10**15, expires_after_seconds=600
)
CURRENCIES = ["KES", "UGX"]

pick = st.integers(0, 10_000)
"""Chooses among what there is, by its remainder; some remainders choose what is not there."""

SELDOM = 17


def seldom(number: int) -> bool:
    return number % SELDOM == SELDOM - 1


def as_expected(outcome: Outcome) -> Expected:
    return Expected(
        outcome.position,
        outcome.stream,
        outcome.version,
        None if outcome.verdict is None else outcome.verdict.value,
        None if outcome.error is None else outcome.error.code,
        outcome.replayed,
    )


class Book:
    """One database for all examples, two processes' worth of ledgers, and a clock set by hand."""

    def __init__(self, databases: Databases) -> None:
        self.now = datetime(2100, 1, 1, tzinfo=UTC)
        self.database = databases.create()
        location = BookLocation(self.database, DatabaseRole.APP)
        self.ledgers = [Ledger(location, clock=lambda: self.now) for _ in range(2)]
        self.connection = superuser(self.database)

    def close(self) -> None:
        self.connection.close()
        for ledger in self.ledgers:
            ledger.close()


class LedgerBesideModel(RuleBasedStateMachine):
    """Commands are collected by the rules and executed as turns of one to a few commands."""

    book: Book

    def __init__(self) -> None:
        super().__init__()
        self.base = self.read_balances()
        self.model = Model(head=self.book.ledgers[0].recorder.max_notification_id() or 0)
        self.turn_commands_max = 1
        self.creators: dict[UUID, str] = {}
        self.payments: list[tuple[UUID, UUID, int, str]] = []
        self.transactions: list[str] = []
        self.waiting: list[LedgerCommand] = []
        self.sent: list[LedgerCommand] = []

    def read_balances(self) -> dict[tuple[str, str], int]:
        found = self.book.connection.execute("SELECT account, currency, balance FROM balances")
        return {(account, currency): int(amount) for account, currency, amount in found}

    def send(self, command: LedgerCommand) -> None:
        self.waiting.append(command)
        self.sent.append(command)
        if len(self.waiting) >= self.turn_commands_max:
            self.turn(len(self.sent))

    @initialize(
        plan=st.sampled_from(PLANS),
        currency=st.sampled_from(CURRENCIES),
        turn_commands_max=st.integers(1, 5),
    )
    def somebody_is_there(
        self, plan: tuple[int, int], currency: str, turn_commands_max: int
    ) -> None:
        self.creator_registers(plan, currency)
        self.fan_pays(0, 0, 0, 0, 2)
        self.turn_commands_max = turn_commands_max

    @rule(plan=st.sampled_from(PLANS), currency=st.sampled_from(CURRENCIES))
    def creator_registers(self, plan: tuple[int, int], currency: str) -> None:
        creator = uuid4()
        self.creators[creator] = currency
        fee, vat = plan
        self.send(
            register_creator(
                creator,
                currency=currency,
                plan=FeePlan(fee_basis_points=fee, vat_basis_points=vat),
            )
        )

    @rule(creator=pick)
    def creator_registers_again(self, creator: int) -> None:
        self.send(register_creator(self.creator(creator)))

    @rule(creator=pick, rate=st.sampled_from([0, 500, 1_000, 10_000]))
    def plan_changes(self, creator: int, rate: int) -> None:
        self.send(assign_fee_plan(self.creator(creator), rate))

    def creator(self, number: int) -> UUID:
        return uuid4() if seldom(number) else list(self.creators)[number % len(self.creators)]

    @rule(creator=pick, amount=pick, currency=pick, fan=pick, way=st.integers(0, 3))
    def fan_pays(self, creator: int, amount: int, currency: int, fan: int, way: int) -> None:
        payee, stream = self.creator(creator), uuid4()
        payer = payee if seldom(fan) else uuid4()
        chosen = self.creators.get(payee, "KES")
        if seldom(currency):
            chosen = CURRENCIES[chosen == "KES"]
        gross = AMOUNTS[amount % len(AMOUNTS)]
        self.payments.append((stream, payer, gross, chosen))
        on_the_way: list[LedgerCommand] = [
            start_submission(stream),
            record_submitted(stream),
            record_submission_unknown(stream),
        ]
        self.send(
            initiate_payment(
                payee, gross, payment_id=stream, fan_id=payer, currency=chosen, terms=TERMS
            )
        )
        for further in on_the_way[:way]:
            self.send(further)

    def payment(self, number: int) -> tuple[UUID, UUID, int, str]:
        if seldom(number):
            return uuid4(), uuid4(), 100, "KES"
        # The latest ones are the most interesting.
        return self.payments[-1 - number % min(4, len(self.payments))]

    @rule(payment=pick, stranger=st.integers(0, 4))
    def fan_cancels(self, payment: int, stranger: int) -> None:
        stream, fan, *_ = self.payment(payment)
        self.send(cancel_payment(stream, uuid4() if stranger == 0 else fan))

    @rule(payment=pick)
    def submission_starts(self, payment: int) -> None:
        self.send(start_submission(self.payment(payment)[0]))

    @rule(payment=pick)
    def provider_takes_it(self, payment: int) -> None:
        self.send(record_submitted(self.payment(payment)[0]))

    @rule(payment=pick)
    def call_times_out(self, payment: int) -> None:
        self.send(record_submission_unknown(self.payment(payment)[0]))

    @rule(payment=pick)
    def clock_expires_it(self, payment: int) -> None:
        self.send(expire_payment(self.payment(payment)[0]))

    @rule(payment=pick, difference=st.sampled_from([0, 0, 0, -1, 1, 50]), other=pick)
    def provider_reports_money(self, payment: int, difference: int, other: int) -> None:
        stream, _, gross, currency = self.payment(payment)
        amount = min(max(1, gross + difference), 10**15)
        if seldom(other):
            currency = CURRENCIES[currency == "KES"]
        self.transactions.append(f"T{uuid4().hex}")
        self.send(
            report_success(stream, amount, currency=currency, transaction=self.transactions[-1])
        )

    @precondition(lambda self: self.transactions)
    @rule(payment=pick, transaction=pick)
    def provider_reports_a_known_transaction(self, payment: int, transaction: int) -> None:
        stream, _, gross, currency = self.payment(payment)
        known = self.transactions[transaction % len(self.transactions)]
        self.send(report_success(stream, gross, currency=currency, transaction=known))

    @rule(payment=pick, claim=st.sampled_from([Claim.FAILED, Claim.CANCELLED, Claim.PENDING]))
    def provider_reports_no_money(self, payment: int, claim: Claim) -> None:
        self.send(report_without_money(self.payment(payment)[0], claim))

    @rule(amount=st.sampled_from(AMOUNTS), named=st.booleans())
    def money_comes_for_nothing_of_ours(self, amount: int, *, named: bool) -> None:
        self.transactions.append(f"T{uuid4().hex}")
        self.send(
            report_success(uuid4() if named else None, amount, transaction=self.transactions[-1])
        )

    @rule(earlier=pick)
    def somebody_repeats_a_request(self, earlier: int) -> None:
        self.send(self.sent[-1 - earlier % len(self.sent)])

    @rule(earlier=pick)
    def somebody_uses_a_key_for_another_request(self, earlier: int) -> None:
        command = self.sent[-1 - earlier % len(self.sent)]
        if command.key.fingerprint is not None:
            self.send(replace(command, key=replace(command.key, fingerprint=b"another")))

    @rule(seconds=st.sampled_from([1, 599, 600, 601]))
    def time_passes(self, seconds: int) -> None:
        if self.waiting:
            self.turn(seconds)
        self.book.now += timedelta(seconds=seconds)

    def turn(self, ledger: int) -> None:
        """Execute what waits by one of the ledgers; the other one then reads what came of it."""
        ledger %= len(self.book.ledgers)
        commands, self.waiting = self.waiting, []
        outcomes = self.book.ledgers[ledger].execute(commands)
        expected = self.model.execute(commands, self.book.now)
        assert [as_expected(outcome) for outcome in outcomes] == expected
        self.compare_balances()
        self.compare_payments(self.book.ledgers[1 - ledger])

    def compare_balances(self) -> None:
        stored = self.read_balances()
        changed = {
            account: amount - self.base.get(account, 0)
            for account, amount in stored.items()
            if amount != self.base.get(account, 0)
        }
        assert changed == {key: amount for key, amount in self.model.balances.items() if amount}
        sums: dict[str, int] = defaultdict(int)
        for (_, currency), amount in stored.items():
            sums[currency] += amount
        assert not any(sums.values())

    def compare_payments(self, ledger: Ledger) -> None:
        for stream, *_ in self.payments[-4:]:
            expected = self.model.payments.get(stream)
            if expected is not None:
                found: object = ledger.repository.get(stream)
                assert isinstance(found, Payment)
                assert (found.state, found.version, found.late) == (
                    expected["state"],
                    expected["version"],
                    expected["late"],
                )

    def teardown(self) -> None:
        if self.waiting:
            self.turn(0)


@pytest.fixture
def shared_book(databases: Databases) -> Iterator[Book]:
    shared = Book(databases)
    yield shared
    shared.close()
    assert_book_is_sound(shared.database)
    databases.drop(shared.database)


def run(shared: Book, *, examples: int, steps: int) -> None:
    class BesideThisBook(LedgerBesideModel):
        book = shared

    run_state_machine_as_test(
        BesideThisBook,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_ledger_and_a_model_agree_at_every_step(shared_book: Book) -> None:
    run(shared_book, examples=100, steps=40)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_the_ledger_and_a_model_agree_at_every_step_of_long_histories(shared_book: Book) -> None:
    run(shared_book, examples=1_000, steps=100)
