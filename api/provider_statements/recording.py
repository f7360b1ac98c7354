"""What lines report is recorded, by the commands of callbacks, in one turn a batch.

The actor is who brought the file and the cause is the statement. A transaction's natural key is
that of its callback, so one that comes late is a duplicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.provider_statements.reports import report_of
from api.report_commands import command_of, subject_of
from ledger.commands import IdempotencyKey
from ledger.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from api.provider_statements.lines import StatementLine
    from api.provider_statements.uploads import Upload
    from api.settings import Settings
    from ledger.application import Ledger
    from ledger.outcome import Outcome


class Recorder:
    """Records what the lines of one statement report."""

    def __init__(
        self, ledger: Ledger, settings: Settings, upload: Upload, statement_id: UUID
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._upload = upload
        self._statement_id = statement_id

    def record(self, lines: Iterable[tuple[StatementLine, UUID | None]]) -> dict[str, Outcome]:
        """Record what these lines report, each with the payment that it names; outcomes by key.

        Lines that report nothing have none. Raises `Unavailable`: what was recorded until then
        stays, and is found when it is done again.
        """
        keys, commands = [], []
        for line, payment_id in lines:
            report = report_of(line, self._upload.mapping, payment_id)
            if report is not None:
                keys.append(line.key)
                subject = subject_of(report) or self._statement_id
                commands.append(command_of(report, self._settings, self._fields(line, subject)))
        if not commands:
            return {}
        outcomes = self._ledger.execute(commands)
        for outcome in outcomes:
            if isinstance(outcome.error, Unavailable):
                raise outcome.error
        return dict(zip(keys, outcomes, strict=True))

    def _fields(self, line: StatementLine, subject: UUID) -> dict[str, Any]:
        return {
            "key": IdempotencyKey(f"statement:{self._upload.mapping.provider}", line.key),
            "actor": self._upload.actor,
            "correlation_id": subject,
            "causation_id": f"statement:{self._statement_id}",
        }
