"""How the process that sends webhooks is wired: `hesabu webhooks`."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from api.book_metrics import OF_WEBHOOKS, BookCollector
from api.database import book_location
from api.metrics import Metrics, served
from api.notifications.port import Channel
from api.notifications.registry import notifiers_of
from api.webhooks_out.board import SendingBoard
from api.webhooks_out.guard import Guard
from api.webhooks_out.notices import DisabledNotices
from api.webhooks_out.pacing import Pacing
from api.webhooks_out.process import WebhookProcess
from ledger.database.roles import DatabaseRole
from ledger.garbage import tune_garbage_collection
from ledger.key_store import KeyStore

if TYPE_CHECKING:
    from api.settings import Settings


async def send_webhooks(settings: Settings) -> None:
    """Send until SIGTERM or SIGINT."""
    book = book_location(settings, DatabaseRole.WEBHOOKS)
    key_store = KeyStore(settings.key_store_file)
    metrics = Metrics()
    notifiers = notifiers_of(settings)
    board = SendingBoard(
        book, key_store, Pacing.of(settings), lease_seconds=settings.webhooks_lease_seconds
    )
    process = WebhookProcess(
        board,
        Guard(ports=settings.webhooks_ports, allow_loopback=settings.webhooks_allow_loopback),
        settings,
        metrics=metrics,
        notify=DisabledNotices(board, key_store, notifiers[Channel.EMAIL]).tell,
    )
    tune_garbage_collection()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    try:
        with served(metrics, settings, BookCollector(book, OF_WEBHOOKS)):
            await process.run()
    finally:
        for notifier in notifiers.values():
            await notifier.close()
        board.close()
        key_store.close()
