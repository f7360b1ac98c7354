"""`create_app(settings)`: the only wiring. Everything a route uses is made here and closed here."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from api.access_records import AccessRecords, RecordsAccess
from api.auth import Authenticator
from api.book_metrics import OF_API, BookCollector
from api.database import book_location, book_time
from api.doors import Doors
from api.erasures import erasures_of
from api.errors import install_error_handlers
from api.event_streams import EventStreams
from api.examples import add_examples, operations
from api.key_sets import FileKeySet, KeySet, UrlKeySet
from api.metrics import Metrics, served
from api.middleware import RequestContext
from api.one_time_codes import SECRET_NAME as CODES_SECRET
from api.one_time_codes import OneTimeCodes
from api.pay_links import SECRET_NAME as LINKS_SECRET
from api.pay_links import PayLinks
from api.providers.registry import providers_of
from api.rate_limit_storages import LocalWindows, SharedWindows
from api.rate_limits import RateLimits
from api.receipts import HEADER as RECEIPT
from api.receipts import Receipts
from api.routers import (
    access_records,
    admin,
    audit,
    books,
    coverage,
    creator_events,
    creator_recurring,
    creator_reports,
    creator_searches,
    creators,
    destinations,
    documents,
    entitlements,
    erasures,
    explanations,
    exports,
    fan_balances,
    fan_history,
    fans,
    health,
    inbox,
    me,
    pay_links,
    payment_events,
    payout_decisions,
    payouts,
    platform_webhook_endpoints,
    proofs,
    provider_statements,
    read_models,
    refunds,
    searches,
    signed_receipts,
    standing,
    statements,
    subscribers,
    subscription_changes,
    subscription_payments,
    subscriptions,
    suspense,
    tiers,
    token_revocations,
    vault_looks,
    webhook_deliveries,
    webhook_endpoints,
    webhooks,
)
from api.settings import Environment
from api.signing_keys import receipt_signers
from api.token_revocations import TokenRevocations
from api.tokens import development_key_set
from api.webhooks_out.deliveries import WebhookDeliveries
from api.webhooks_out.documentation import document_messages
from api.webhooks_out.endpoints import WebhookEndpoints
from api.webhooks_out.guard import Guard
from ledger.application import Ledger
from ledger.database.preflight import check_database
from ledger.database.roles import DatabaseRole
from ledger.garbage import tune_garbage_collection
from ledger.key_store import KeyStore
from projections.aggregates import Aggregates
from projections.balances import Balances
from projections.entitlements import Entitlements
from projections.following import Follower
from projections.live import LiveModel
from projections.models import READ_MODELS
from projections.payer_keys import PayerKeys
from projections.payments import Payments
from projections.reader import Reader
from projections.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.settings import Settings

API = "/api/v1"
VERSION = "0.1.0"

DOOR_CONNECTIONS_MAX: Final = 2
"""What the doors keep for themselves is not to wait behind reads."""

READ_BY_BROWSERS: Final = (
    *("ETag", "Idempotency-Replayed", "Location", "Retry-After", "X-Request-Id"),
    *("Content-Disposition", RECEIPT),
)
"""Headers of an answer that a page of another origin may read."""
OF_A_WRITE: Final[dict[str, Any]] = {
    RECEIPT: {
        "description": "A signed promise, as JSON on one line, that what the answer shows is in "
        "the log: keep it as it is. Not there when nothing was recorded.",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "The key was used before, and this is the first answer again.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
"""Headers of the answer to a write that was done."""
SENT_BY_BROWSERS: Final = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID"),
    "X-Correlation-Id",
)


class _Api(FastAPI):
    """FastAPI, but its document has examples, and not the 422 that is answered as 400 here."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is not None:
            return self.openapi_schema
        document = super().openapi()
        for operation in operations(document):
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", ())):
                _tell_of_headers(operation["responses"])
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        add_examples(document)
        return document


def _tell_of_headers(answers: dict[str, Any]) -> None:
    for status, answer in answers.items():
        if status.startswith("2"):
            answer["headers"] = OF_A_WRITE


def create_app(settings: Settings) -> FastAPI:
    """The HTTP application. Its lifespan refuses to start on an unsafe database."""
    app = _Api(
        title="Hesabu",
        version=VERSION,
        description="The event-sourced ledger under a creator platform.",
        lifespan=_lifespan,
        # A redirect would name the host that the caller's own header claims.
        redirect_slashes=False,
        telemetry={
            "tracing": settings.tracing,
            # Its logs would quote what was sent, and metrics are our own.
            "logs": False,
            "metrics": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.settings = settings
    install_error_handlers(app)
    document_messages(app)
    app.include_router(health.routes)
    # Where the links in messages lead to.
    app.include_router(pay_links.routes)
    for part in (
        fans,
        payment_events,
        me,
        fan_history,
        subscriptions,
        subscription_changes,
        subscription_payments,
        creators,
        creator_events,
        creator_searches,
        creator_reports,
        creator_recurring,
        statements,
        tiers,
        subscribers,
        entitlements,
        fan_balances,
        refunds,
        destinations,
        payouts,
        payout_decisions,
        documents,
        admin,
        searches,
        standing,
        suspense,
        inbox,
        provider_statements,
        books,
        coverage,
        read_models,
        audit,
        explanations,
        proofs,
        exports,
        access_records,
        token_revocations,
        erasures,
        vault_looks,
        webhook_endpoints,
        platform_webhook_endpoints,
        webhook_deliveries,
        webhooks,
    ):
        app.include_router(part.routes, prefix=API)
    app.include_router(signed_receipts.of_payments, prefix=API)
    app.include_router(signed_receipts.of_payouts, prefix=API)
    app.state.metrics = Metrics()
    # The last one added is the outermost.
    app.add_middleware(RecordsAccess)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=SENT_BY_BROWSERS,
            expose_headers=READ_BY_BROWSERS,
            max_age=600,
        )
    app.add_middleware(
        RequestContext,
        body_bytes_max=settings.body_bytes_max,
        larger={f"{API}{provider_statements.STATEMENTS}/": settings.statement_bytes_max},
        metrics=app.state.metrics,
        over_tls=settings.environment is Environment.PRODUCTION,
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    book = book_location(settings, DatabaseRole.APP)
    check_database(book)
    # A start that fails half-way closes what it had opened, or the process would never end.
    async with AsyncExitStack() as opened:
        key_store = KeyStore(settings.key_store_file)
        opened.callback(key_store.close)
        erasures_here = erasures_of(settings, key_store)
        # Before anybody is answered: a restored database has forgotten who was erased.
        await run_in_threadpool(erasures_here.repeat)
        providers = providers_of(settings)
        for provider in providers.values():
            opened.push_async_callback(provider.close)
        reader = Reader(book)
        opened.push_async_callback(reader.close)
        await reader.open()
        door_tables = Reader(book, connections_max=DOOR_CONNECTIONS_MAX)
        opened.push_async_callback(door_tables.close)
        await door_tables.open()
        keys = await _key_set(settings)
        opened.push_async_callback(keys.close)
        revocations = TokenRevocations(
            door_tables, lifetime_seconds_max=settings.token_lifetime_seconds_max
        )
        opened.push_async_callback(revocations.close)
        await revocations.open()
        metrics: Metrics = app.state.metrics
        opened.enter_context(served(metrics, settings, BookCollector(book, OF_API)))
        ledger = Ledger(book, book_time=book_time(settings), observe=metrics.turn)
        opened.callback(ledger.close)
        follower = Follower(book, reader)
        opened.push_async_callback(follower.close)
        endpoints = WebhookEndpoints(
            door_tables,
            key_store,
            endpoints_max=settings.webhooks_endpoints_max,
            overlap_seconds=settings.webhooks_secret_overlap_seconds,
        )
        payments = Payments(reader)
        aggregates = Aggregates(reader)
        app.state.doors = Doors(
            settings=settings,
            metrics=metrics,
            ledger=ledger,
            reader=reader,
            balances=Balances(reader),
            payments=payments,
            payer_keys=PayerKeys(reader, payments),
            aggregates=aggregates,
            entitlements=Entitlements(reader, aggregates, ledger.book_time),
            subscriptions=Subscriptions(reader),
            models={model: LiveModel(reader, model) for model in READ_MODELS},
            event_streams=EventStreams(
                follower,
                metrics,
                streams_max=settings.event_streams_max,
                streams_of_subject_max=settings.event_streams_of_subject_max,
            ),
            codes=OneTimeCodes(key_store.secret(CODES_SECRET)),
            pay_links=PayLinks(key_store.secret(LINKS_SECRET), settings.links_begin_with),
            receipts=Receipts(
                reader,
                receipt_signers(settings.receipt_keys_directory, settings.origin)[-1],
                origin=settings.origin,
            ),
            key_store=key_store,
            erasures=erasures_here,
            authenticator=Authenticator(
                keys,
                revocations,
                issuer=settings.token_issuer,
                audience=settings.token_audience,
                lifetime_seconds_max=settings.token_lifetime_seconds_max,
            ),
            revocations=revocations,
            rate_limits=RateLimits(
                settings,
                reads=LocalWindows(),
                writes=SharedWindows(door_tables)
                if settings.rate_limits_counted == "database"
                else LocalWindows(),
                phone_secret=key_store.secret("rate_limits_of_phones"),
            ),
            access_records=AccessRecords(door_tables),
            door_tables=door_tables,
            webhook_guard=Guard(
                ports=settings.webhooks_ports, allow_loopback=settings.webhooks_allow_loopback
            ),
            webhook_endpoints=endpoints,
            webhook_deliveries=WebhookDeliveries(door_tables, endpoints),
            providers=providers,
            fingerprint_secret=key_store.secret("idempotency_fingerprint"),
            reference_secret=key_store.secret("manual_references"),
        )
        tune_garbage_collection()
        yield


async def _key_set(settings: Settings) -> KeySet:
    """Where tokens' keys come from. Raises `KeySetError` for what is not usable."""
    if settings.key_set_url is not None:
        published = UrlKeySet(settings.key_set_url)
        await published.open()
        return published
    key_set_file = settings.key_set_file
    if key_set_file is None and settings.environment is Environment.DEVELOPMENT:
        key_set_file = development_key_set(settings)
    assert key_set_file is not None  # noqa: S101 - settings require one of both in production
    return FileKeySet(key_set_file)
