"""What explanations, comparisons and suppositions look like over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from api.routers.parts import Body, Instant
from ledger.money import BASIS_POINTS
from projections.evidence import BodyState
from projections.reader import POSITION_MAX

if TYPE_CHECKING:
    from projections.account_changes import Changes
    from projections.explanations import Explanation
    from projections.what_if import Difference, OtherRules, Shares, WhatIfReport

NONE: Final[list[Any]] = []
HASH: Final = "41a2c0b8e7d5f3a1908172635443526170819fa0b1c2d3e4f5061728394a5b6c"


class SubjectData(BaseModel):
    """What a line belongs to, and those whose it is."""

    kind: str = Field(examples=["payment"])
    id: UUID
    creator_id: UUID | None
    fan_id: UUID | None
    subscription_id: UUID | None = Field(examples=[None])
    invoice_id: UUID | None


class EvidenceData(BaseModel):
    """A callback that led to the event at `position`; `sha256` is of its salted body.

    `body` says whether the bytes that are kept still hash to it. They are not shown: a body is
    personal data. The other fields are null where it was not kept.
    """

    position: int
    topic: str
    sha256: str = Field(examples=[HASH])
    body: BodyState = Field(examples=["matches"])
    inbox_id: UUID | None
    provider: str | None
    received_at: AwareDatetime | None = Field(examples=["2026-11-05T09:00:40+00:00"])
    verdict: str | None
    copies: int | None = Field(examples=[1])


class ExplainedLineData(BaseModel):
    """A line with the balance after it, minor units, debit positive; and where it comes from."""

    position: int
    line: int
    amount: int = Field(examples=[-110_500])
    balance: int
    recorded_at: AwareDatetime
    effective_at: AwareDatetime
    topic: str | None
    stream_id: UUID | None
    version: int | None
    belongs_to: SubjectData | None
    evidence: list[EvidenceData]


class MismatchData(BaseModel):
    """Where something does not agree, and what; `position` is 0 for the balance as a whole."""

    position: int
    line: int
    what: str = Field(examples=["-110500 and -110500 are not -220000"])


class ExplanationData(BaseModel):
    """The lines that make up the balance at `position`, the newest first; minor units.

    `opening_balance` + `sum_of_lines` = `closing_balance`, and the opening of a page is the closing
    of the next. `sums_match` is false when they do not add up, or when a line or the balance is not
    what the log says: `mismatches` tell where. `evidence_matches` is false when a body differs.
    """

    account: str
    currency: str
    side: str
    balance: int
    opening_balance: int = Field(examples=[0])
    sum_of_lines: int = Field(examples=[-110_500])
    closing_balance: int = Field(examples=[-110_500])
    sums_match: bool = Field(examples=[True])
    evidence_matches: bool = Field(examples=[True])
    mismatches: list[MismatchData] = Field(examples=[NONE])
    items: list[ExplainedLineData]
    next_cursor: str | None
    position: int


class AccountChangeData(BaseModel):
    """An account that has a line in between; minor units, balances debit positive."""

    account: str
    currency: str
    side: str
    before: int = Field(examples=[0])
    debits: int = Field(examples=[0])
    credits: int = Field(examples=[110_500])
    after: int = Field(examples=[-110_500])
    lines: int


class ChangeTotalsData(BaseModel):
    """All changes of one currency, on every page the same; `balanced` when they sum to zero."""

    currency: str
    accounts: int
    debits: int
    credits: int
    lines: int
    balanced: bool


class DifferencesData(BaseModel):
    """What changed after `from_position`, up to and with `to_position`: accounts by name."""

    from_position: int = Field(examples=[0])
    to_position: int = Field(examples=[41])
    sums_match: bool = Field(examples=[True])
    items: list[AccountChangeData]
    totals: list[ChangeTotalsData]
    next_cursor: str | None


class WhatIfBody(Body):
    """Another fee for every payment that was begun by then or later, or for one creator's."""

    platform_fee_basis_points: int = Field(strict=True, ge=0, le=BASIS_POINTS, examples=[500])
    creator_id: UUID | None = None
    from_position: int = Field(strict=True, ge=1, le=POSITION_MAX, default=1)
    from_time: Instant | None = None


class SharesData(BaseModel):
    """How payments are shared, in minor units; `expenses` is what nobody else bears."""

    net: int
    fees: int
    vat: int
    expenses: int = Field(examples=[0])


class CreatorDifferenceData(BaseModel):
    """What a creator's payments left them, and would leave them; minor units."""

    creator_id: UUID
    currency: str
    payments: int = Field(examples=[1])
    net_as_it_was: int = Field(examples=[110_500])
    net_as_it_would_be: int = Field(examples=[117_750])
    difference: int = Field(examples=[7_250])


class WhatIfTotalsData(BaseModel):
    """All of these payments in one currency."""

    currency: str
    payments: int = Field(examples=[1])
    as_it_was: SharesData
    as_it_would_be: SharesData
    difference: int = Field(examples=[7_250])


class LeftData(BaseModel):
    """Payments that could not be decided anew, by the topic that is the cause."""

    topic: str = Field(examples=["refund.requested.v1"])
    payments: int = Field(examples=[1])


class WhatIfData(BaseModel):
    """What creators would have under another fee; nothing was written.

    `payments` brought money and are all that is compared. Those in `left_as_they_were` could not be
    decided anew without a guess: they are counted with no difference.
    """

    from_position: int = Field(examples=[1])
    events: int = Field(examples=[41])
    payments: int = Field(examples=[1])
    creators: list[CreatorDifferenceData]
    totals: list[WhatIfTotalsData]
    left_as_they_were: list[LeftData] = Field(examples=[NONE])
    position: int


def explained(page: Explanation) -> dict[str, Any]:
    """A page of an explanation, as it is shown."""
    return {
        "account": page.account,
        "currency": page.currency,
        "side": page.side,
        "balance": page.balance,
        "opening_balance": page.opening_balance,
        "sum_of_lines": page.sum_of_lines,
        "closing_balance": page.closing_balance,
        "sums_match": page.sums_match,
        "evidence_matches": page.evidence_matches,
        "mismatches": [each._asdict() for each in page.mismatches],
        "items": page.items,
        "next_cursor": page.next_cursor,
        "position": page.position,
    }


def compared(changes: Changes) -> dict[str, Any]:
    """A page of changes, as it is shown."""
    return {
        "from_position": changes.first,
        "to_position": changes.second,
        "sums_match": changes.sums_match,
        "items": changes.items,
        "totals": [
            {
                "currency": each.currency,
                "accounts": each.accounts,
                "debits": each.debits,
                "credits": each.credits,
                "lines": each.lines,
                "balanced": each.balanced,
            }
            for each in changes.totals
        ],
        "next_cursor": changes.next_cursor,
    }


def supposed(report: WhatIfReport, rules: OtherRules) -> dict[str, Any]:
    """What would be, as it is shown."""
    return {
        "from_position": rules.from_position,
        "events": report.events,
        "payments": report.payments,
        "creators": [_of_creator(each) for each in report.creators],
        "totals": [
            {
                "currency": each.currency,
                "payments": each.payments,
                "as_it_was": _shares(each.was),
                "as_it_would_be": _shares(each.would_be),
                "difference": each.difference,
            }
            for each in report.totals
        ],
        "left_as_they_were": [
            {"topic": topic, "payments": count} for topic, count in report.left_as_they_were
        ],
        "position": report.position,
    }


def _of_creator(difference: Difference) -> dict[str, Any]:
    return {
        "creator_id": difference.creator_id,
        "currency": difference.currency,
        "payments": difference.payments,
        "net_as_it_was": difference.was.net,
        "net_as_it_would_be": difference.would_be.net,
        "difference": difference.difference,
    }


def _shares(shares: Shares) -> dict[str, int]:
    return shares._asdict()
