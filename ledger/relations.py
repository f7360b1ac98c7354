"""What else must be seen to decide: streams and balances that the first look-up brings to light.

A payment of an invoice is decided together with its subscription; a subscription with its creator,
its fan, the payments that paid what is not over, the prompt that is live, and the fan's credit. The
turn asks until nothing is missing; for all other commands that is at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ledger.accounts import FanFunds, fan_funds
from ledger.commands import RegisterCreator, Subscribe, fan_stream
from ledger.creator import Creator
from ledger.fan import Fan
from ledger.payment import Payment
from ledger.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from ledger.decisions import LedgerCommand
    from ledger.journal import AccountKey
    from ledger.states import Aggregate


class Related(NamedTuple):
    """Streams and balances that are to be loaded besides."""

    streams: set[UUID]
    accounts: set[AccountKey]


def missing(
    commands: Sequence[LedgerCommand],
    aggregates: Mapping[UUID, Aggregate],
    *,
    asked: Collection[UUID],
    guards: Collection[AccountKey],
) -> Related:
    """What is related to what is known and was not asked for yet."""
    streams: set[UUID] = set()
    accounts: set[AccountKey] = set()
    for command in commands:
        if isinstance(command, Subscribe):
            for currency in _currencies(command.creator_id, aggregates, commands):
                accounts.update(_credit(command.fan_id, currency))
            _for_a_beginning(command, aggregates, streams, accounts)
        for stream in command.streams():
            _follow(aggregates.get(stream), aggregates, streams, accounts)
    return Related(streams.difference(asked), accounts.difference(guards))


def _currencies(
    creator_id: UUID, aggregates: Mapping[UUID, Aggregate], commands: Sequence[LedgerCommand]
) -> set[str]:
    """What a creator is paid in, also one who is registered in the same turn."""
    creator = aggregates.get(creator_id)
    if isinstance(creator, Creator):
        return {creator.settlement_currency}
    return {
        each.settlement_currency
        for each in commands
        if isinstance(each, RegisterCreator) and each.creator_id == creator_id
    }


def _for_a_beginning(
    command: Subscribe,
    aggregates: Mapping[UUID, Aggregate],
    streams: set[UUID],
    accounts: set[AccountKey],
) -> None:
    fan = aggregates.get(fan_stream(command.fan_id))
    latest = fan.subscriptions.get(command.creator_id) if isinstance(fan, Fan) else None
    if latest is not None:
        streams.add(latest)
        _follow(aggregates.get(latest), aggregates, streams, accounts)


def _follow(
    aggregate: Aggregate | None,
    aggregates: Mapping[UUID, Aggregate],
    streams: set[UUID],
    accounts: set[AccountKey],
) -> None:
    match aggregate:
        case Payment(invoice=of) if of is not None:
            accounts.update(_credit(aggregate.fan_id, aggregate.money.currency))
            if of.subscription_id not in streams:
                streams.add(of.subscription_id)
                _follow(aggregates.get(of.subscription_id), aggregates, streams, accounts)
        case Subscription():
            streams.update(_streams_of(aggregate))
            accounts.update(_credit(aggregate.fan_id, aggregate.currency))
        case _:
            pass


def _streams_of(sub: Subscription) -> Iterator[UUID]:
    yield fan_stream(sub.fan_id)
    yield sub.creator_id
    for invoice in sub.open_invoices():
        if invoice.live is not None:
            yield invoice.live.payment_id
    for paid in sub.periods:
        for share in paid.shares:
            yield share.payment_id


def _credit(fan_id: UUID, currency: str) -> Iterable[AccountKey]:
    return ((fan_funds(fan_id, each), currency) for each in (FanFunds.CREDIT, FanFunds.GOODWILL))
