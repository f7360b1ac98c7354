"""A creator, fan, payout or proposal as a route shows it, with the position where it is so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from ledger.application import project
from ledger.creator import Creator
from ledger.errors import CreatorNotFound, PayoutNotFound, ProposalNotFound
from ledger.fan import Fan
from ledger.payout import Payout
from ledger.proposals import Proposal
from projections.streams import read_stream

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.outcome import Outcome
    from projections.reader import Reader

Kind = TypeVar("Kind", Creator, Fan, Payout, Proposal)


class At(NamedTuple, Generic[Kind]):
    """How something stands at a position of the log."""

    state: Kind
    position: int


async def creator_now(reader: Reader, creator_id: UUID) -> At[Creator]:
    """The creator as they stand. Raises `CreatorNotFound` or `ReadUnavailable`."""
    found = await _read(reader, creator_id, Creator)
    if found is None:
        raise CreatorNotFound
    return found


async def payout_now(reader: Reader, payout_id: UUID) -> At[Payout]:
    """The payout as it stands. Raises `PayoutNotFound` or `ReadUnavailable`."""
    found = await _read(reader, payout_id, Payout)
    if found is None:
        raise PayoutNotFound
    return found


async def proposal_now(reader: Reader, proposal_id: UUID) -> At[Proposal]:
    """The proposal as it stands. Raises `ProposalNotFound` or `ReadUnavailable`."""
    found = await _read(reader, proposal_id, Proposal)
    if found is None:
        raise ProposalNotFound
    return found


async def after(reader: Reader, outcome: Outcome, kind: type[Kind]) -> At[Kind]:
    """What a command that was done was about, right after it, however it stands today."""
    assert outcome.stream is not None  # noqa: S101 - such a command, done, has one
    found = await _read(reader, outcome.stream, kind, version=outcome.version)
    assert found is not None  # noqa: S101 - its events are committed
    return At(found.state, outcome.position)


async def _read(
    reader: Reader, stream_id: UUID, kind: type[Kind], *, version: int | None = None
) -> At[Kind] | None:
    stream = await read_stream(reader, stream_id, version=version)
    if stream is None:
        return None
    state = project(None, stream.events)
    return At(state, stream.position) if isinstance(state, kind) else None
