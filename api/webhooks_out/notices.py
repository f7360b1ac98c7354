"""A creator is told when their endpoint was disabled, by e-mail, where an address is known.

Said once: its row is committed before it is sent, and whoever dies in between has said it or not,
and nobody says it again. In the API it is visible anyway.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, assert_never
from uuid import UUID, uuid5

from api.notifications.port import Channel, Message, Refused, Sent, TryLater, Unknown
from ledger.commands import fan_stream
from ledger.events import EmailSet
from ledger.key_store import KeyDestroyedError
from ledger.serialization import decode_event
from ledger.vault import unseal, vault_entry

if TYPE_CHECKING:
    from api.notifications.port import Notifier, Result
    from api.webhooks_out.board import Leased, SendingBoard
    from ledger.key_store import KeyStore

KIND: Final = "webhook_endpoint_disabled"
SUBJECT: Final = "Your webhook endpoint is disabled"
WORDS: Final = {
    "gone": "Its server says that it is gone for good.",
    "failing": "It has not taken a message for days.",
}

READ_EMAIL_SET: Final = """
    SELECT originator_version, topic, state FROM ledger_events
    WHERE originator_id = %s AND topic = %s ORDER BY originator_version DESC LIMIT 1
"""
READ_EMAIL: Final = """
    SELECT entry_id, person_id, kind, key_id, ciphertext FROM webhook_owner_addresses
    WHERE person_id = %(person_id)s
      AND (%(entry_id)s::uuid IS NULL OR entry_id = %(entry_id)s::uuid)
    ORDER BY entry_id DESC LIMIT 1
"""
READ_DISABLED_AT: Final = "SELECT disabled_at FROM webhook_endpoints WHERE endpoint_id = %s"
BEGIN: Final = """
    INSERT INTO notifications (notification_id, kind, stream_id, person_id, channel, state)
    VALUES (%s, %s, %s, %s, %s, 'sending') ON CONFLICT DO NOTHING
"""
END: Final = """
    UPDATE notifications SET state = %s, reason = %s, sent_at = CASE WHEN %s THEN now() END
    WHERE notification_id = %s
"""


class DisabledNotices:
    """Tells owners."""

    def __init__(self, board: SendingBoard, key_store: KeyStore, email: Notifier) -> None:
        self._board = board
        self._key_store = key_store
        self._email = email

    async def tell(self, endpoint: Leased, reason: str) -> None:
        """Tell the owner of an endpoint, if an address is known, that it was just disabled."""
        message = await asyncio.to_thread(self._begin, endpoint, reason)
        if message is None:
            return
        ended = _ended(await self._email.send(message))
        await asyncio.to_thread(self._end, message.notification_id, *ended)

    def _begin(self, endpoint: Leased, reason: str) -> Message | None:
        """The message, whose row is committed; None where there is nobody to tell."""
        if endpoint.creator_id is None:
            return None
        address = self._address(endpoint.creator_id)
        if address is None:
            return None
        with self._board.connection() as connection:
            row = connection.execute(READ_DISABLED_AT, (endpoint.endpoint_id,)).fetchone()
            notification_id = uuid5(endpoint.endpoint_id, f"{KIND} {row}")
            begun = connection.execute(
                BEGIN,
                (
                    notification_id,
                    KIND,
                    endpoint.endpoint_id,
                    endpoint.creator_id,
                    Channel.EMAIL,
                ),
            )
        if begun.rowcount == 0:
            return None
        return Message(
            notification_id=notification_id,
            kind=KIND,
            channel=Channel.EMAIL,
            address=address,
            subject=SUBJECT,
            text=f"We send nothing more to your webhook endpoint {endpoint.endpoint_id}. "
            f"{WORDS[reason]} Nothing is lost: enable it again, and it goes on where it stopped.",
        )

    def _address(self, creator_id: UUID) -> str | None:
        stream = fan_stream(creator_id)
        with self._board.connection() as connection:
            said = connection.execute(READ_EMAIL_SET, (stream, EmailSet.TOPIC)).fetchone()
            entry_id = None
            if said is not None:
                version, topic, state = said
                event = decode_event(topic, state, originator_id=stream, originator_version=version)
                entry_id = getattr(event, "email", None)
                if entry_id is None:
                    return None
            row = connection.execute(
                READ_EMAIL, {"person_id": creator_id, "entry_id": entry_id}
            ).fetchone()
        try:
            return None if row is None else unseal(self._key_store, vault_entry(row))
        except KeyDestroyedError:
            return None

    def _end(self, notification_id: UUID, state: str, reason: str | None) -> None:
        with self._board.connection() as connection:
            connection.execute(END, (state, reason, state == "sent", notification_id))


def _ended(result: Result) -> tuple[str, str | None]:
    """The state of a notification, and why."""
    match result:
        case Sent():
            return "sent", None
        case Unknown(why):
            return "unknown", why
        case Refused(why) | TryLater(why):
            return "failed", why
        case _:
            assert_never(result)
