"""No question reads a read model's whole table, at a hundred thousand rows."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import psycopg
import pytest

from ledger.database.connections import READER_SETTINGS, BookLocation
from ledger.database.roles import DatabaseRole
from projections.generations import generations
from projections.live import MODEL
from projections.models import READ_MODELS
from projections.models.earnings import READ as READ_EARNINGS
from projections.models.earnings import EarningsModel
from projections.models.invoices import INVOICES, InvoicesModel
from projections.models.payments import PAYMENTS, PaymentsModel
from projections.models.payouts import PAYOUTS, PayoutsModel
from projections.models.proposals import PROPOSALS, ProposalsModel
from projections.models.recurring import READ_DAYS, READ_RANGE, RecurringModel
from projections.models.subscriptions import SUBSCRIPTIONS, SubscriptionsModel
from projections.models.supporters import READ_TOP, READ_TOP_OF_MONTH, SupportersModel
from projections.models.suspense import SUSPENSE, SuspenseModel
from projections.read_model import of
from projections.reader import LOOK_UP_SETTINGS, POSITION_MAX
from tests.databases import superuser
from tests.projections.models.filling import fill
from tests.projections.test_plans import PLAN_MODES, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projections.read_model import ReadModel
    from projections.searching import Search
    from tests.databases import Databases

SMALL: Final = {"read_models", "ledger_tracking"}
"""A row for each generation of a read model."""

# Of a thousand creators the first has every third row, and so has the first of many fans.
STREAM: Final = """
    CREATE FUNCTION stream(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT lpad(to_hex(number), 32, '0')::uuid $$;
    CREATE FUNCTION someone(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT stream(CASE WHEN number % 3 = 0 THEN 1 ELSE 1 + number % 1000 END) $$;
    INSERT INTO turns
    SELECT n, timestamptz '2026-01-01 00:00+00' + n * interval '1 minute'
    FROM generate_series(10, 100000, 10) AS n;
"""
FILL: Final[dict[str, str]] = {
    "payments": """
        SELECT stream(n), n, stream(n % 5000), someone(n), 'tip', 'R' || n, NULL, NULL,
               CASE WHEN n % 50 = 0 THEN 'needs_review' ELSE 'succeeded' END, 'phone', 'sandbox',
               'T' || n, 'KES', 100, 10, 2, 88, now(), now(), now()
        FROM generate_series(1, 100000) AS n
    """,
    "subscriptions": """
        SELECT stream(n), n, stream(n % 5000), someone(n), stream(n % 7),
               (ARRAY['active', 'active', 'cancelled', 'past_due'])[1 + n % 4], 100, 'KES', 'month',
               1, 1, 'UTC', 'phone', now(), now(), 1
        FROM generate_series(1, 100000) AS n
    """,
    "invoices": """
        SELECT stream(n), n, stream(n % 20000), stream(n % 5000), someone(n), 'renewal', 1, 1,
               'KES', 100, 0, 0, now(), now(), CASE WHEN n % 50 = 0 THEN 'open' ELSE 'paid' END,
               NULL, NULL, NULL, NULL, NULL, 1, NULL, 0
        FROM generate_series(1, 100000) AS n
    """,
    "payouts": """
        SELECT stream(n), n, someone(n), 'KES', 100, 90, 5, 1, 4,
               CASE WHEN n % 50 < 2 THEN 'mpesa' ELSE 'sandbox' END, stream(n), 'admin',
               true, 0, now(), now(), CASE WHEN n % 50 = 0 THEN 'requested' ELSE 'paid' END,
               0, 1, NULL, NULL, 1, 0, NULL
        FROM generate_series(1, 100000) AS n
    """,
    "earnings": """
        SELECT stream(1 + n % 100), date '2024-01-01' + n / 100, 'KES', 'tips', 100, 10, 2, 88, 1
        FROM generate_series(0, 99999) AS n
    """,
    "supporters": """
        SELECT someone(n), 'KES', stream(n), n, 1, now(), now()
        FROM generate_series(1, 100000) AS n
    """,
    "supporters_by_month": """
        SELECT someone(n), 'KES', stream(n), date '2026-03-01', n, 1, now(), now()
        FROM generate_series(1, 100000) AS n
    """,
    "recurring_days": """
        SELECT stream(1 + n % 100), 'KES', date '2024-01-01' + n / 100, 1, 0, 0, 1, 0, 0, 5, 500
        FROM generate_series(0, 99999) AS n
    """,
    "suspense": """
        SELECT stream(n), 'T' || n, n, NULL, 'sandbox', 'KES', 100, 'unmatched',
               CASE WHEN n % 50 = 0 THEN 'waiting' ELSE 'spent' END, now(), now()
        FROM generate_series(1, 100000) AS n
    """,
    "proposals": """
        SELECT stream(n), n, 'post_adjustment', stream(n), 'KES', 100, 'because', true,
               'admin:' || n % 20, now(), CASE WHEN n % 50 = 0 THEN 'open' ELSE 'rejected' END,
               NULL, NULL, NULL
        FROM generate_series(1, 100000) AS n
    """,
}


class Question(NamedTuple):
    """What a model is asked, and how many rows of it may be read."""

    model: type[ReadModel]
    query: str
    parameters: dict[str, object]
    rows_max: int = 3 * 201


def listed(model: type[ReadModel], search: Search[Any], **filters: object) -> Question:
    return Question(
        model, search.asking(filters), {"before": POSITION_MAX, "limit": 201, **filters}
    )


SOMEONE: Final = UUID(int=1)
HOUR: Final = {"since": "2026-01-20 10:00+00", "until": "2026-01-20 11:00+00"}
MARCH: Final = {"first": date(2026, 3, 1), "until": date(2026, 4, 1)}
OF_CREATOR: Final = {"creator_id": SOMEONE, "currency": "KES"}
QUESTIONS: Final[dict[str, Question]] = {
    "payments": listed(PaymentsModel, PAYMENTS),
    "payments of a creator": listed(PaymentsModel, PAYMENTS, creator_id=SOMEONE),
    "payments of a fan": listed(PaymentsModel, PAYMENTS, fan_id=SOMEONE),
    "payments by state": listed(PaymentsModel, PAYMENTS, state="needs_review"),
    "payments by reference": listed(PaymentsModel, PAYMENTS, reference="R7"),
    "payments by transaction": listed(PaymentsModel, PAYMENTS, provider_transaction="T7"),
    "payments of a creator, by state": listed(
        PaymentsModel, PAYMENTS, creator_id=SOMEONE, state="needs_review"
    ),
    "payments of a creator of an hour": listed(PaymentsModel, PAYMENTS, creator_id=SOMEONE, **HOUR),
    "payments of a fan of an hour": listed(PaymentsModel, PAYMENTS, fan_id=UUID(int=3_000), **HOUR),
    "payments of an hour, by state": listed(PaymentsModel, PAYMENTS, state="needs_review", **HOUR),
    "payments of an hour": listed(PaymentsModel, PAYMENTS, **HOUR),
    "subscriptions": listed(SubscriptionsModel, SUBSCRIPTIONS),
    "subscriptions of a creator": listed(SubscriptionsModel, SUBSCRIPTIONS, creator_id=SOMEONE),
    "subscriptions of a creator, by state": listed(
        SubscriptionsModel, SUBSCRIPTIONS, creator_id=SOMEONE, state="past_due"
    ),
    "subscriptions of a creator, by tier": listed(
        SubscriptionsModel, SUBSCRIPTIONS, creator_id=SOMEONE, tier_id=UUID(int=3)
    ),
    "subscriptions of a fan": listed(SubscriptionsModel, SUBSCRIPTIONS, fan_id=SOMEONE),
    "subscriptions by state": listed(SubscriptionsModel, SUBSCRIPTIONS, state="past_due"),
    "invoices": listed(InvoicesModel, INVOICES),
    "invoices of a subscription": listed(InvoicesModel, INVOICES, subscription_id=SOMEONE),
    "invoices of a fan": listed(InvoicesModel, INVOICES, fan_id=SOMEONE),
    "invoices of a creator": listed(InvoicesModel, INVOICES, creator_id=SOMEONE),
    "open invoices": listed(InvoicesModel, INVOICES, state="open"),
    "open invoices of a creator": listed(InvoicesModel, INVOICES, creator_id=SOMEONE, state="open"),
    "payouts": listed(PayoutsModel, PAYOUTS),
    "payouts of a creator": listed(PayoutsModel, PAYOUTS, creator_id=SOMEONE),
    "payouts that wait": listed(PayoutsModel, PAYOUTS, state="requested"),
    "payouts of a creator that wait": listed(
        PayoutsModel, PAYOUTS, creator_id=SOMEONE, state="requested"
    ),
    "payouts by provider": listed(PayoutsModel, PAYOUTS, provider="mpesa"),
    "payouts by provider that wait": listed(
        PayoutsModel, PAYOUTS, provider="mpesa", state="requested"
    ),
    "payouts by provider that were paid": listed(
        PayoutsModel, PAYOUTS, provider="mpesa", state="paid"
    ),
    # A creator's are few: however often they are paid out, it is not every day.
    "payouts of a creator, by provider": listed(
        PayoutsModel, PAYOUTS, creator_id=UUID(int=2), provider="mpesa"
    ),
    "payouts of an hour": listed(PayoutsModel, PAYOUTS, **HOUR),
    "earnings": Question(
        EarningsModel, READ_EARNINGS, {"interval": "week", "creator_id": SOMEONE, **MARCH}, 31
    ),
    "top supporters": Question(SupportersModel, READ_TOP, {**OF_CREATOR, "limit": 200}),
    "top supporters of a month": Question(
        SupportersModel,
        READ_TOP_OF_MONTH,
        {**OF_CREATOR, "month": date(2026, 3, 1), "limit": 200},
    ),
    "recurring days": Question(RecurringModel, READ_DAYS, {**OF_CREATOR, **MARCH, "limit": 201}),
    "recurring": Question(RecurringModel, READ_RANGE, {**OF_CREATOR, **MARCH}, 33),
    "suspense": listed(SuspenseModel, SUSPENSE),
    "suspense that waits": listed(SuspenseModel, SUSPENSE, state="waiting"),
    "suspense of a stream": listed(SuspenseModel, SUSPENSE, stream_id=SOMEONE),
    "suspense by transaction": listed(SuspenseModel, SUSPENSE, provider_transaction="T77"),
    "proposals": listed(ProposalsModel, PROPOSALS),
    "open proposals": listed(ProposalsModel, PROPOSALS, state="open"),
    "proposals of somebody": listed(ProposalsModel, PROPOSALS, proposed_by="admin:3"),
}


@pytest.fixture(scope="module")
def large(databases: Databases) -> BookLocation:
    """Read models of a hundred thousand rows each, made of nothing but rows."""
    database = databases.create()
    numbers = fill(database, lambda: 1, live=True)
    with superuser(database) as connection:
        connection.execute(STREAM)
        for model in READ_MODELS:
            for table in model.names:
                if (query := FILL.get(table.replace("_g{g}", ""))) is not None:
                    name = of(table, numbers[model.name])
                    connection.execute(f"INSERT INTO {name} {query}".encode())
        connection.execute("ANALYZE")
        assert {each.number for each in generations(connection)} == set(numbers.values())
    return BookLocation(database, DatabaseRole.APP)


@pytest.fixture(params=["as the reader connects", "with PostgreSQL's own choice"])
def connection(
    large: BookLocation, request: pytest.FixtureRequest
) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the large book, with each of the settings."""
    own = request.param == "with PostgreSQL's own choice"
    conninfo = large.conninfo(READER_SETTINGS if own else LOOK_UP_SETTINGS)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("mode", PLAN_MODES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_goes_by_index_and_reads_no_more_than_it_answers(
    connection: psycopg.Connection[Any], name: str, mode: str
) -> None:
    question = QUESTIONS[name]
    live = {each.name: each.number for each in generations(connection)}[question.model.name]
    model = "WITH" + MODEL.replace("{name}", question.model.name)
    query = (model + question.query).replace("{g}", str(live))
    plan = explained(connection, mode, query, question.parameters)
    scanned = {node.get("Relation Name") for node in plan if node["Node Type"] == "Seq Scan"}
    assert scanned <= SMALL
    read = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in plan
        if node.get("Relation Name") not in {None, "turns", *SMALL}
    )
    assert 0 < read <= question.rows_max


def test_every_model_is_asked_about() -> None:
    asked = {question.model for question in QUESTIONS.values()}
    assert asked == set(READ_MODELS)
