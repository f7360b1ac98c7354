"""On whose word a statement's lines are recorded: on one person's up to a threshold, else on two's.

alone     what one person's statements of a provider record by themselves within 24 hours, this one
          with them, is up to the threshold, in minor units of any currency, in and out alike
waits     it would be more: nothing of it is recorded
second    somebody else has brought the very same file, of the same accounts, and this person
          brought it over HTTP

An amount is taken before it is recorded, and what the ledger did not record of it is given back: a
process that dies in between has taken too much, never too little.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from api.provider_statements.uploads import Upload

    Connection = psycopg.Connection[Any]

IS_SECOND: Final = """
    SELECT EXISTS (
        SELECT FROM provider_statement_words WHERE provider = %(provider)s AND file_mac = %(mac)s
           AND (word = 'second' OR (%(confirms)s AND actor <> %(actor)s)))
"""
READ_TAKEN: Final = """
    SELECT now(), coalesce(sum(amount), 0) FROM provider_statement_amounts
    WHERE provider = %s AND actor = %s AND taken_at > now() - interval '24 hours'
"""
INSERT_WORD: Final = """
    INSERT INTO provider_statement_words (provider, file_mac, statement_id, actor, word)
    VALUES (%s, %s, %s, %s, %s)
"""
INSERT_AMOUNT: Final = """
    INSERT INTO provider_statement_amounts (provider, actor, statement_id, amount, taken_at)
    VALUES (%s, %s, %s, %s, %s)
"""


class Word(StrEnum):
    """What a person's word is worth."""

    ALONE = "alone"
    WAITS = "waits"
    SECOND = "second"


class FileIdentity(NamedTuple):
    """A statement's id; and a fingerprint of its file and accounts, whatever days were said."""

    statement_id: UUID
    mac: str


class Allowance:
    """How much may be recorded on this person's word, while the provider's lock is held."""

    def __init__(
        self, connection: Connection, upload: Upload, file: FileIdentity, *, above: int
    ) -> None:
        self._connection = connection
        self._provider = upload.mapping.provider
        self._actor = upload.actor
        self._confirms = upload.confirms
        self._file = file
        self._above = above
        self._word = Word.WAITS
        self._left = 0
        self._at: datetime | None = None

    def begin(self, planned: Callable[[int], int]) -> None:
        """Find out whose word it is, and note it.

        `planned` counts what would be recorded, no further than what is left.
        """
        if self._is_second():
            self._say(Word.SECOND)
            return
        row = self._connection.execute(READ_TAKEN, (self._provider, self._actor)).fetchone()
        assert row is not None  # noqa: S101 - a sum
        self._at = row[0]
        self._left = max(0, self._above - int(row[1]))
        self._say(Word.ALONE if planned(self._left) <= self._left else Word.WAITS)

    def take(self, amount: int) -> bool:
        """Whether this much may be recorded now; it counts from then on."""
        if self._word is Word.ALONE and amount > self._left:
            # The ledger is no more as it was when this was counted.
            self._say(Word.WAITS)
        if self._word is Word.ALONE and amount:
            self._count(amount)
        return self._word is not Word.WAITS

    def give_back(self, amount: int) -> None:
        """So much of what was taken is not in the ledger."""
        if self._word is Word.ALONE and amount:
            self._count(-amount)

    def _is_second(self) -> bool:
        wanted = {
            "provider": self._provider,
            "mac": self._file.mac,
            "confirms": self._confirms,
            "actor": self._actor,
        }
        return self._connection.execute(IS_SECOND, wanted).fetchone() == (True,)

    def _say(self, word: Word) -> None:
        self._word = word
        told = (self._provider, self._file.mac, self._file.statement_id, self._actor, word)
        self._connection.execute(INSERT_WORD, told)

    def _count(self, amount: int) -> None:
        self._left -= amount
        told = (self._provider, self._actor, self._file.statement_id, amount, self._at)
        self._connection.execute(INSERT_AMOUNT, told)
