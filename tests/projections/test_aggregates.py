"""What is remembered of streams is never older than what was read, and never answers by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ledger.creator import Creator
from projections.aggregates import Aggregates
from projections.reader import Reader
from tests.builders import assign_fee_plan, register_creator
from tests.databases import superuser
from tests.projections.conftest import CountingReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import LiteralString

    from ledger.application import Ledger
    from ledger.database.connections import BookLocation


REGISTERED = 2
"""The version of a creator who was registered with a plan."""


def test_streams_of_any_kind_are_read_in_one_statement_as_they_stand(
    ledger: Ledger, book: BookLocation
) -> None:
    creators = [uuid4(), uuid4()]
    ledger.execute([register_creator(creator) for creator in creators])
    ledger.execute_one(assign_fee_plan(creators[0], 700))

    async def scenario() -> None:
        async with CountingReader(book) as reader:
            aggregates = Aggregates(reader)
            standing = await aggregates.read([*creators, uuid4(), creators[0]])
            assert reader.statements == 1
            assert standing.head.position == await reader.position()
            assert standing.head.recorded_at <= standing.head.now
            assert standing.found == {
                creator: ledger.repository.get(creator) for creator in creators
            }
            assert standing.unreadable == {}
            assert (await aggregates.read([])).found == {}

    asyncio.run(scenario())


def test_only_what_is_new_is_read_again(ledger: Ledger, book: BookLocation) -> None:
    """The first event is made unreadable once it was read: it is not looked at any more."""
    creator = uuid4()
    ledger.execute_one(register_creator(creator))

    async def scenario() -> None:
        async with Reader(book) as reader:
            aggregates = Aggregates(reader)
            await aggregates.read([creator])
            with superuser(book.database) as connection:
                connection.execute("SET session_replication_role = replica")
                connection.execute("UPDATE ledger_events SET state = '{}'")
            ledger.execute_one(assign_fee_plan(creator, 700))
            found = (await aggregates.read([creator])).found[creator]
            assert isinstance(found, Creator)
            assert found.version == REGISTERED + 1
            assert found.plan is not None
            assert found.plan.fee_basis_points == 700
            again = await Aggregates(reader).read([creator])
            assert set(again.unreadable) == {creator}
            assert again.found == {}

    asyncio.run(scenario())


def test_an_answer_that_comes_late_does_not_replace_what_is_known_since(
    ledger: Ledger, book: BookLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    asked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Reader):
        """The answer to the first question lies about until it is taken."""

        first = True

        async def fetch(
            self, query: LiteralString, parameters: Sequence[object] | Mapping[str, object] = ()
        ) -> list[tuple[Any, ...]]:
            first, self.first = self.first, False
            rows = await super().fetch(query, parameters)
            if first:
                asked.set()
                await go_on.wait()
            return rows

    async def scenario() -> None:
        async with Slow(book) as reader:
            aggregates = Aggregates(reader)
            late = asyncio.create_task(aggregates.read([creator]))
            await asked.wait()
            ledger.execute_one(assign_fee_plan(creator, 700))
            newer = await aggregates.read([creator])
            assert newer.found[creator].version == REGISTERED + 1
            go_on.set()
            assert (await late).found[creator].version == REGISTERED, "as it was when asked"
            known = aggregates.last_seen(creator)
            assert known is not None
            assert known.version == REGISTERED + 1

    asyncio.run(scenario())
