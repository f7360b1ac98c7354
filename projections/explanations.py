"""Why is a balance what it is? Its lines, the event of each, its evidence, and whose it was.

Newest first: what an account has now comes of its last lines. A page's sums are checked while it is
read, each by something that lies elsewhere:

    opening + lines = closing, and so does every running balance of the page   the line before it
    the first page's closing is the account's balance                          the balance's own row
    each line is what its event posted                                         the log
    a callback's kept body has the hash that its event says                    the inbox

The opening of a page is the closing of the next; that of the last page is zero. So all pages
together are the whole balance. Each page is read by index, however long the account is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson

from ledger.accounts import Side, side_of
from projections.cursor import decode_cursor, encode_cursor
from projections.evidence import BodyState, Evidence, evidence_of
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from ledger.journal import AccountKey
    from ledger.key_store import KeyStore
    from projections.reader import Reader

CURSOR: Final = "explanation"

READ_BALANCE: Final = """
    SELECT CASE WHEN balances.position <= %(end)b::bigint THEN balances.balance::text END,
           past.balance::text
    FROM balances
    CROSS JOIN LATERAL (
        SELECT journal_lines.balance FROM journal_lines
        WHERE journal_lines.account_id = balances.account_id
          AND journal_lines.position <= %(end)b::bigint
        ORDER BY journal_lines.position DESC, journal_lines.line DESC LIMIT 1
    ) AS past
    WHERE balances.account = %(account)b AND balances.currency = %(currency)b
"""

READ_EXPLAINED: Final = """
    SELECT lines.position, lines.line, lines.amount, lines.balance::text,
           lines.recorded_at, lines.effective_at,
           caused_by.topic, caused_by.originator_id, caused_by.originator_version, caused_by.state,
           begun.topic, begun.state
    FROM (
        SELECT * FROM journal_lines
        WHERE account_id = (SELECT account_id FROM balances
                            WHERE account = %(account)b AND currency = %(currency)b)
          AND (position, line) < (%(position)b::bigint, %(line)b::bigint)
          AND position <= %(end)b::bigint
        ORDER BY position DESC, line DESC LIMIT %(limit)b::bigint
    ) AS lines
    LEFT JOIN ledger_events AS caused_by ON caused_by.notification_id = lines.position
    LEFT JOIN ledger_events AS begun
      ON begun.originator_id = caused_by.originator_id AND begun.originator_version = 1
    ORDER BY lines.position DESC, lines.line DESC
"""

KINDS: Final = frozenset({"payment", "payout", "subscription", "receipt", "creator", "proposal"})
"""What a stream may be about, by the first word of its first topic; all else is a fact."""

SUSPECT: Final = "the event at this position cannot be read, or is gone"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a line belongs to: a payment, a payout, an invoice, …, and those whose it is."""

    kind: str
    id: UUID
    creator_id: UUID | None
    fan_id: UUID | None
    subscription_id: UUID | None
    invoice_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedLine:
    """A line with the balance after it, minor units, debit positive; and where it comes from.

    Topic, stream and version are None where the log has no event at its position.
    """

    position: int
    line: int
    amount: int
    balance: int
    recorded_at: datetime
    effective_at: datetime
    topic: str | None
    stream_id: UUID | None
    version: int | None
    belongs_to: Subject | None
    evidence: list[Evidence]


class Mismatch(NamedTuple):
    """Where something does not agree, and what; `position` is 0 for the balance as a whole."""

    position: int
    line: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A page of the lines that make up the balance at `position`; minor units, debit positive."""

    position: int
    account: str
    currency: str
    side: Side
    balance: int
    opening_balance: int
    sum_of_lines: int
    closing_balance: int
    items: list[ExplainedLine]
    mismatches: list[Mismatch] = field(default_factory=list)
    next_cursor: str | None

    @property
    def sums_match(self) -> bool:
        """Whether everything that was added up is what it should be."""
        return not self.mismatches

    @property
    def evidence_matches(self) -> bool:
        """Whether no callback's kept body is another than its event says."""
        return all(
            each.body is not BodyState.DIFFERS for item in self.items for each in item.evidence
        )


class _Line(NamedTuple):
    position: int
    line: int
    amount: int
    balance: int
    recorded_at: datetime
    effective_at: datetime
    topic: str | None
    stream_id: UUID | None
    version: int | None
    state: bytes | None
    begun_topic: str | None
    begun_state: bytes | None


async def explanation_page(
    reader: Reader,
    key_store: KeyStore,
    account: str,
    currency: str,
    *,
    position: int | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Explanation | None:
    """A page of a balance's explanation; None if the account had no line by then.

    The first page fixes the position for those that follow. `limit` is cut to 1 … `PAGE_SIZE_MAX`.
    Raises `InvalidCursor`, `PositionNotReached` or `ReadUnavailable`.
    """
    before = (POSITION_MAX, 0)
    if cursor is None:
        end = await reader.position_at(as_of_position=position)
    else:
        end, *key = map(int, decode_cursor(cursor, CURSOR, int, int, int))
        before = (key[0], key[1])
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    asked = {"account": account, "currency": currency, "end": end}
    place = {"position": before[0], "line": before[1], "limit": limit + 1}
    rows = await reader.fetch(READ_EXPLAINED, {**asked, **place})
    lines = [_line(*row) for row in rows]
    if not lines:
        return None
    shown, opening = lines[:limit], lines[limit].balance if len(lines) > limit else 0
    [(kept, last)] = await reader.fetch(READ_BALANCE, asked)
    mismatches = _mismatches((account, currency), shown, opening)
    if kept is not None and kept != last:
        what = f"the account's balance is {kept}, its last line says {last}"
        mismatches.insert(0, Mismatch(0, 0, what))
    return Explanation(
        position=end,
        account=account,
        currency=currency,
        side=side_of(account),
        balance=int(last if kept is None else kept),
        opening_balance=opening,
        sum_of_lines=sum(line.amount for line in shown),
        closing_balance=shown[0].balance,
        items=await _explained(reader, key_store, shown),
        mismatches=mismatches,
        next_cursor=encode_cursor(CURSOR, end, shown[-1].position, shown[-1].line)
        if len(lines) > limit
        else None,
    )


def _line(position: int, line: int, amount: int, balance: str, *rest: Any) -> _Line:  # noqa: ANN401 - as the statement has it
    return _Line(position, line, amount, int(balance), *rest)


def _mismatches(key: AccountKey, lines: list[_Line], opening: int) -> list[Mismatch]:
    found: list[Mismatch] = []
    before = [*(line.balance for line in lines[1:]), opening]
    for line, balance in zip(lines, before, strict=True):
        if balance + line.amount != line.balance:
            what = f"{balance} and {line.amount} are not {line.balance}"
            found.append(Mismatch(line.position, line.line, what))
        posted = _posted(line)
        if posted != (*key, line.amount):
            told = SUSPECT if posted is None else f"its event posted {posted[2]} to {posted[0]}"
            found.append(Mismatch(line.position, line.line, told))
    return found


def _posted(line: _Line) -> tuple[str, str, int] | None:
    """Account, currency and amount that the line's event has at its place."""
    if line.state is None:
        return None
    try:
        posting = orjson.loads(line.state)["entry"]["postings"][line.line]
        return posting["account"], posting["currency"], posting["amount"]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return None


async def _explained(
    reader: Reader, key_store: KeyStore, lines: list[_Line]
) -> list[ExplainedLine]:
    places = [
        (line.stream_id, line.version)
        for line in lines
        if line.stream_id is not None and line.version is not None
    ]
    evidence = iter(await evidence_of(reader, key_store, places))
    return [
        ExplainedLine(
            position=line.position,
            line=line.line,
            amount=line.amount,
            balance=line.balance,
            recorded_at=line.recorded_at,
            effective_at=line.effective_at,
            topic=line.topic,
            stream_id=line.stream_id,
            version=line.version,
            belongs_to=_subject(line),
            evidence=[] if line.stream_id is None else next(evidence),
        )
        for line in lines
    ]


def _subject(line: _Line) -> Subject | None:
    """What the stream began as; an event of a subscription may be about one of its invoices."""
    if line.stream_id is None or line.begun_topic is None or line.begun_state is None:
        return None
    begun, event = _fields(line.begun_state), _fields(line.state)
    first = line.begun_topic.partition(".")[0]
    kind = first if first in KINDS else "fact"
    whose = {name: _id(begun, name) for name in ("creator_id", "fan_id")}
    if kind == "subscription":
        subscription_id, invoice_id = line.stream_id, _id(event, "invoice_id")
        if invoice_id is not None:
            return Subject("invoice", invoice_id, **whose, **_of(subscription_id, invoice_id))
        return Subject(kind, line.stream_id, **whose, **_of(subscription_id, None))
    if kind == "creator":
        whose["creator_id"] = line.stream_id
    of = _of(_id(begun, "subscription_id"), _id(begun, "invoice_id"))
    return Subject(kind, line.stream_id, **whose, **of)


def _of(subscription_id: UUID | None, invoice_id: UUID | None) -> dict[str, UUID | None]:
    return {"subscription_id": subscription_id, "invoice_id": invoice_id}


def _fields(state: bytes | None) -> dict[str, Any]:
    try:
        found = orjson.loads(state or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _id(fields: dict[str, Any], name: str) -> UUID | None:
    value = fields.get(name)
    return None if value is None else UUID(value)
