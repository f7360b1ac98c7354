"""Which fees and taxes did a creator bear in a month? Summed from the journal, for documents.

A month is a calendar month of the book's time zone, and what belongs to it is what was recorded in
it, so months chain and an ended one never changes. What belongs to a creator are the entries that
touch one of their accounts: a payment of which nothing was left for them touches none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, assert_never

from ledger.events import DocumentLine

if TYPE_CHECKING:
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from ledger.events import DocumentKind
    from projections.reader import Reader

SETTLED_AFTER: Final = timedelta(minutes=1)
"""A turn that took its time before the month's end has been committed by then, or never is."""

MICROSECOND: Final = timedelta(microseconds=1)

READ_BOUNDS: Final = """
    SELECT greatest(clock_timestamp(),
                    (SELECT recorded_at FROM turns ORDER BY position DESC LIMIT 1)),
           coalesce((SELECT position FROM turns WHERE recorded_at < %(begins)b::timestamptz
                     ORDER BY recorded_at DESC, position DESC LIMIT 1), 0),
           coalesce((SELECT position FROM turns WHERE recorded_at < %(ends)b::timestamptz
                     ORDER BY recorded_at DESC, position DESC LIMIT 1), 0)
"""

# A creator's accounts are the names from 'creator:{id}:' to 'creator:{id};', ';' following ':'.
READ_CREATOR_TAXES: Final = """
    WITH touched AS (
        SELECT DISTINCT lines.position
        FROM balances
        CROSS JOIN LATERAL (
            SELECT position FROM journal_lines
            WHERE journal_lines.account_id = balances.account_id
              AND position > %(after)b::bigint AND position <= %(up_to)b::bigint
        ) AS lines
        WHERE balances.account > 'creator:' || %(creator_id)b::uuid || ':'
          AND balances.account < 'creator:' || %(creator_id)b::uuid || ';'
          AND balances.currency = %(currency)b::text
    ), entries AS (
        SELECT balances.account, journal_lines.amount,
               bool_or(balances.account = 'tax:withholding' AND journal_lines.amount < 0)
                   OVER (PARTITION BY journal_lines.position) AS withheld_from
        FROM touched
        JOIN journal_lines ON journal_lines.position = touched.position
        JOIN balances ON balances.account_id = journal_lines.account_id
        WHERE balances.currency = %(currency)b::text
    )
    SELECT coalesce(-sum(amount) FILTER (WHERE account = 'platform:fees' AND amount < 0), 0),
           coalesce(-sum(amount) FILTER (WHERE account = 'platform:payout_fees' AND amount < 0), 0),
           coalesce(-sum(amount) FILTER (WHERE account = 'tax:vat' AND amount < 0), 0),
           coalesce(sum(amount) FILTER (WHERE account = 'platform:fees' AND amount > 0), 0),
           coalesce(sum(amount) FILTER (WHERE account = 'platform:payout_fees' AND amount > 0), 0),
           coalesce(sum(amount) FILTER (WHERE account = 'tax:vat' AND amount > 0), 0),
           coalesce(sum(amount) FILTER (WHERE withheld_from AND amount > 0), 0),
           coalesce(-sum(amount) FILTER (WHERE account = 'tax:withholding' AND amount < 0), 0),
           coalesce(sum(amount) FILTER (WHERE account = 'tax:withholding' AND amount > 0), 0)
    FROM entries
"""


class MonthNotOverError(ValueError):
    """The month has not ended, or so lately that a turn of it may still be committing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """The platform's fees and the VAT on them, in minor units."""

    fees: int
    payout_fees: int
    vat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatorTaxes:
    """What a creator bore in a month, as it was recorded up to `up_to_position`; minor units.

    `withheld` was kept of payouts of `withheld_from` in all; `withholding_returned` came back with
    payouts that were returned.
    """

    up_to_position: int
    charged: Charges
    reversed: Charges
    withheld_from: int
    withheld: int
    withholding_returned: int


async def creator_taxes(
    reader: Reader, creator_id: UUID, *, currency: str, month: str, zone: ZoneInfo
) -> CreatorTaxes:
    """What a creator bore in `month` ("2026-11") in one currency.

    Raises `MonthNotOverError` or `ReadUnavailable`.
    """
    begins, ends = month_bounds(month, zone)
    [(now, after, up_to)] = await reader.fetch(READ_BOUNDS, {"begins": begins, "ends": ends})
    if now < ends + SETTLED_AFTER:
        raise MonthNotOverError
    [sums] = await reader.fetch(
        READ_CREATOR_TAXES,
        {"creator_id": creator_id, "currency": currency, "after": after, "up_to": up_to},
    )
    amounts = [int(amount) for amount in sums]
    return CreatorTaxes(
        up_to_position=up_to,
        charged=Charges(fees=amounts[0], payout_fees=amounts[1], vat=amounts[2]),
        reversed=Charges(fees=amounts[3], payout_fees=amounts[4], vat=amounts[5]),
        withheld_from=amounts[6],
        withheld=amounts[7],
        withholding_returned=amounts[8],
    )


def month_bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When a month begins, and when the next one does."""
    year, number = map(int, month.split("-"))
    following = (year + 1, 1) if number == 12 else (year, number + 1)  # noqa: PLR2004 - December
    return datetime(year, number, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone)


def document_lines(kind: DocumentKind, taxes: CreatorTaxes) -> tuple[DocumentLine, ...]:
    """The lines of a document of this kind; none when there is nothing to document."""
    match kind:
        case "fee_invoice":
            amounts = _charges(taxes.charged)
        case "credit_note":
            amounts = _charges(taxes.reversed)
        case "withholding_certificate":
            amounts = {
                "paid_out": taxes.withheld_from,
                "withholding": taxes.withheld,
                "withholding_returned": taxes.withholding_returned,
            }
        case _:
            assert_never(kind)
    return tuple(
        DocumentLine(what=what, amount=amount) for what, amount in amounts.items() if amount
    )


def _charges(charges: Charges) -> dict[str, int]:
    return {
        "platform_fees": charges.fees,
        "payout_fees": charges.payout_fees,
        "vat": charges.vat,
    }
