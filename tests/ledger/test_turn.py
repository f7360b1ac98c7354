from uuid import uuid4

from ledger.application import Ledger
from ledger.database.location import DatabaseLocation
from tests.builders import initiate_payment, register_creator, report_success
from tests.invariants import assert_book_is_sound, balances


def test_smoke(ledger: Ledger, database: DatabaseLocation) -> None:
    creator = uuid4()
    payment = uuid4()
    outcomes = ledger.execute(
        [register_creator(creator), initiate_payment(creator, payment_id=payment), report_success(payment)]
    )
    assert [o.error for o in outcomes] == [None] * 3
    assert_book_is_sound(database)
    print(balances(database))


def test_smoke2(ledger: Ledger, database: DatabaseLocation) -> None:
    assert_book_is_sound(database)
