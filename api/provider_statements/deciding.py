"""What becomes of lines that are not known yet: matched, recorded and then matched, or open.

Above what one person may record by themselves lines are open until a second person comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.provider_statements.mapping import Direction, Kind
from api.provider_statements.matching import Candidates, Found
from api.provider_statements.reports import could_report
from api.provider_statements.tables import NEEDS_SECOND_PERSON, Decided, ItemNote

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from api.provider_statements.lines import StatementLine
    from api.provider_statements.recording import Recorded, Recorder
    from api.provider_statements.tables import StatementTables
    from api.provider_statements.uploads import Upload

MONEY_FIRST: Final = (
    frozenset({Kind.PAYMENT}),
    frozenset(Kind) - {Kind.PAYMENT},
)
"""A fee or a refund is recorded of a payment, which may stand in the same batch."""


class Decider:
    """Decides lines of one statement."""

    def __init__(
        self,
        tables: StatementTables,
        recorder: Recorder,
        upload: Upload,
        *,
        zone: ZoneInfo,
        tolerance_days: int,
    ) -> None:
        self._tables = tables
        self._recorder = recorder
        self._mapping = upload.mapping
        self._zone = zone
        self._tolerance_days = tolerance_days

    def decide(
        self, lines: Sequence[StatementLine], said: Collection[str] | None = None
    ) -> list[Decided]:
        """What became of each. Raises `Unavailable`, after which it can be done again.

        Only lines whose keys are `said`, or all of them, may be recorded; others are looked for.
        """
        return [
            each
            for some in _money_first(lines)
            for each in self._decide(some, {line.key for line in some} if said is None else said)
        ]

    def would_record(self, lines: Sequence[StatementLine]) -> list[StatementLine]:
        """Those that are not found, and would be recorded if what they name is known."""
        would = []
        for some in _money_first(lines):
            candidates = self._candidates(some)
            found = self._find(candidates, some)
            certain = self._certain(candidates, [line for line in some if line.key not in found])
            would += [line for line, _ in certain if could_report(line, self._mapping)]
        return would

    def _decide(self, lines: list[StatementLine], said: Collection[str]) -> list[Decided]:
        candidates = self._candidates(lines)
        found = self._find(candidates, lines)
        unknown = [line for line in lines if line.key not in found]
        told = self._recorder.record(
            self._certain(candidates, [line for line in unknown if line.key in said])
        )
        recorded: dict[str, Found] = {}
        if told.outcomes:
            recorded = self._find(self._candidates(unknown), unknown)
        return [self._told(line, found, recorded, told) for line in lines]

    def _certain(
        self, candidates: Candidates, lines: list[StatementLine]
    ) -> list[tuple[StatementLine, UUID | None]]:
        """Lines with the payment that each names, but refunds that may be one of ours.

        One that names none of ours, while one of ours is on its way, would be taken for another.
        """
        named = [(line, candidates.payment_of(line)) for line in lines]
        unclear = {
            payment
            for line, payment in named
            if line.kind is Kind.REFUND and payment is not None and not _names_a_refund(line)
        }
        waiting = self._tables.with_open_refunds(unclear)
        return [
            (line, payment)
            for line, payment in named
            if line.kind is not Kind.REFUND or payment not in waiting or _names_a_refund(line)
        ]

    def _candidates(self, lines: Sequence[StatementLine]) -> Candidates:
        self._tables.catch_up()
        claims = self._tables.claims(lines)
        entries, taken = self._tables.entries(lines, claims)
        return Candidates(
            entries,
            taken,
            claims,
            zone=self._zone,
            tolerance_days=self._tolerance_days,
            by_reference=self._mapping.named_as_in_callbacks,
        )

    @staticmethod
    def _find(candidates: Candidates, lines: Sequence[StatementLine]) -> dict[str, Found]:
        found: dict[str, Found] = {}
        for differing in (False, True):
            for line in lines:
                if line.key in found or line.direction is Direction.NONE:
                    continue
                if (match := candidates.find(line, differing=differing)) is not None:
                    found[line.key] = match
        return found

    @staticmethod
    def _told(
        line: StatementLine,
        found: dict[str, Found],
        recorded: dict[str, Found],
        told: Recorded,
    ) -> Decided:
        outcome = told.outcomes.get(line.key)
        if (match := found.get(line.key) or recorded.get(line.key)) is not None:
            if match.difference is None:
                how = "matched" if line.key in found else "recorded"
                return Decided(line, how, match.entries)
            ledger = sum(each.amount for each in match.entries)
            return Decided(
                line, "open", match.entries, ItemNote(match.difference, None, abs(ledger))
            )
        if line.direction is Direction.NONE and outcome is not None and outcome.error is None:
            return Decided(line, "matched")
        if line.key in told.held:
            return Decided(line, "open", (), ItemNote(NEEDS_SECOND_PERSON))
        why = "unknown_kind" if line.kind is Kind.OTHER else "statement_only"
        code = None if outcome is None or outcome.error is None else outcome.error.code
        return Decided(line, "open", (), ItemNote(why, code))


def _money_first(lines: Sequence[StatementLine]) -> list[list[StatementLine]]:
    parts = [[line for line in lines if line.kind in kinds] for kinds in MONEY_FIRST]
    return [part for part in parts if part]


def _names_a_refund(line: StatementLine) -> bool:
    return line.own is not None and line.own.detail is not None
