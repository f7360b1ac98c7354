"""A long book in a second: rows as a turn would write them, made by the database itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from tests.databases import superuser

if TYPE_CHECKING:
    from ledger.database.location import DatabaseLocation

CREATORS: Final = 1_000
PAYMENTS: Final = 50_000
LINES: Final = 2 * PAYMENTS
HEAD: Final = CREATORS + PAYMENTS
RARE_TOPIC: Final = "payment.contradiction_recorded.v1"

FILL: Final = """
    CREATE FUNCTION stream(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT lpad(to_hex(number), 32, '0')::uuid $$;

    INSERT INTO ledger_events
        (originator_id, originator_version, topic, state, notification_id)
    SELECT stream(n), 1, 'creator.registered.v1', convert_to('{}', 'UTF8'), n
    FROM generate_series(1, 1000) AS n
    UNION ALL
    SELECT stream(n), 1,
           CASE WHEN n % 25000 = 0 THEN 'payment.contradiction_recorded.v1'
                ELSE 'payment.succeeded.v2' END,
           convert_to(format('{"number":%s}', n), 'UTF8'), n
    FROM generate_series(1001, 51000) AS n;

    INSERT INTO turns SELECT n, clock_timestamp() FROM generate_series(1000, 51000, 10) AS n;

    -- Account 1 is the provider's, the others are creators'; every third payment is the first's.
    INSERT INTO journal_lines_odd
        (position, line, account_id, amount, balance, recorded_at, effective_at)
    SELECT n, line, CASE WHEN line = 0 THEN 1 WHEN n % 3 = 0 THEN 2 ELSE 2 + n % 1000 END,
           CASE WHEN line = 0 THEN 100 ELSE -100 END,
           CASE WHEN line = 0 THEN (n - 1000) * 100 ELSE -100 END,
           clock_timestamp(), clock_timestamp()
    FROM generate_series(1001, 51000) AS n, generate_series(0, 1) AS line;

    INSERT INTO balances_odd (account_id, account, currency, balance, position)
    SELECT 1, 'provider:sandbox:collection', 'KES', 5000000, 51000
    UNION ALL
    SELECT 1 + n, 'creator:' || stream(n) || ':pending', 'KES', -100, 51000
    FROM generate_series(1, 1000) AS n;

    -- As if each payment were a subscription; every third is the first creator's.
    INSERT INTO creator_subscriptions (position, creator_id, subscription_id)
    SELECT n, stream(CASE WHEN n % 3 = 0 THEN 1 ELSE 1 + n % 1000 END), stream(n)
    FROM generate_series(1001, 51000) AS n;

    -- The last 20,000 payments are pending; every third is the first creator's.
    INSERT INTO clock_due
    SELECT 'release', stream(n), stream(CASE WHEN n % 3 = 0 THEN 1 ELSE 1 + n % 1000 END),
           'KES', 100, clock_timestamp() + n * interval '1 second'
    FROM generate_series(31001, 51000) AS n;
    INSERT INTO ledger_tracking VALUES ('clock', 51000);
"""

OTHER_SIDE: Final = """
    -- As if another generation had just been retired.
    DELETE FROM balances_even;
    INSERT INTO balances_even (account_id, account, currency, balance, position)
    SELECT account_id, account, currency, balance, position FROM balances_odd;
    DELETE FROM journal_lines_even;
    INSERT INTO journal_lines_even
        (position, line, account_id, amount, balance, recorded_at, effective_at)
    SELECT position, line, account_id, amount, balance, recorded_at, effective_at
    FROM journal_lines_odd;

    ANALYZE;
"""


def fill(database: DatabaseLocation) -> None:
    """Fill an empty book. Its balances are not those of its lines: nobody adds them up."""
    with superuser(database) as connection:
        connection.execute(FILL)
        connection.execute(OTHER_SIDE)


def creator(number: int) -> UUID:
    """A creator of the long book, numbered from 1; the first has every third payment."""
    return UUID(int=number)
