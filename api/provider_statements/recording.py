"""What lines report is recorded, by the commands of callbacks, in one turn a batch.

The actor is who brought the file and the cause is the statement. What one person's word is not
enough for is held (second_person.py). A transaction's natural key is
that of its callback, so one that comes late is a duplicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from api.provider_statements.reports import could_report, report_of
from api.report_commands import command_of, subject_of
from ledger.commands import IdempotencyKey
from ledger.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from api.provider_statements.lines import StatementLine
    from api.provider_statements.second_person import Allowance
    from api.provider_statements.uploads import Upload
    from api.settings import Settings
    from ledger.application import Ledger
    from ledger.outcome import Outcome


class Recorded(NamedTuple):
    """What the ledger answered, by key; the keys of lines that wait for a second person."""

    outcomes: dict[str, Outcome]
    held: frozenset[str] = frozenset()


class Recorder:
    """Records what the lines of one statement report."""

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        upload: Upload,
        statement_id: UUID,
        allowance: Allowance,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._upload = upload
        self._statement_id = statement_id
        self._allowance = allowance

    def record(self, lines: Sequence[tuple[StatementLine, UUID | None]]) -> Recorded:
        """Record what these lines report, each with the payment that it names; outcomes by key.

        Lines that report nothing have none. Raises `Unavailable`: what was recorded until then
        stays, and is found when it is done again.
        """
        reporting, commands = [], []
        for line, payment_id in lines:
            report = report_of(line, self._upload.mapping, payment_id)
            if report is not None:
                reporting.append(line)
                subject = subject_of(report) or self._statement_id
                commands.append(command_of(report, self._settings, self._fields(line, subject)))
        if not self._allowance.take(sum(line.amount for line in reporting)):
            mapping = self._upload.mapping
            return Recorded({}, frozenset(x.key for x, _ in lines if could_report(x, mapping)))
        outcomes = self._ledger.execute(commands) if commands else []
        for outcome in outcomes:
            if isinstance(outcome.error, Unavailable):
                raise outcome.error
        answered = list(zip(reporting, outcomes, strict=True))
        self._allowance.give_back(sum(line.amount for line, told in answered if not told.events))
        return Recorded({line.key: outcome for line, outcome in answered})

    def _fields(self, line: StatementLine, subject: UUID) -> dict[str, Any]:
        return {
            "key": IdempotencyKey(f"statement:{self._upload.mapping.provider}", line.key),
            "actor": self._upload.actor,
            "correlation_id": subject,
            "causation_id": f"statement:{self._statement_id}",
        }
