"""A creator's monthly statement over HTTP: as JSON, as a spreadsheet, as pages."""

from __future__ import annotations

import csv
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from api.routers.statements import PDF_LINES_MAX
from api.statement_files import statement_pdf
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.statements import AccountTotals, Month
from projections.transactions import Transaction
from tests.builders import GROSS, initiate_payment, report_success

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

NAIROBI = ZoneInfo("Africa/Nairobi")
NET = GROSS - GROSS // 10 - GROSS * 16 // 1_000


def this_month() -> str:
    return f"{datetime.now(NAIROBI):%Y-%m}"


def paid(doors: Deployment, payments: int) -> Person:
    """A creator with so many payments."""
    creator = doors.creator()
    with closing(Ledger(BookLocation(doors.database, DatabaseRole.APP))) as ledger:
        initiated = [initiate_payment(creator.id) for _ in range(payments)]
        reports = [report_success(each.payment_id) for each in initiated]
        assert all(each.error is None for each in ledger.execute([*initiated, *reports]))
    return creator


def ask(
    doors: Deployment,
    creator: Person,
    month: str,
    **options: Any,  # noqa: ANN401 - as `send`
) -> httpx.Response:
    return doors.api.send(creator, "GET", f"/creators/{creator.id}/statements/{month}", **options)


def test_a_month_opens_moves_and_closes(doors: Deployment) -> None:
    creator = paid(doors, 3)
    answer = ask(doors, creator, this_month())
    assert answer.status_code == httpx.codes.OK, answer.text
    data = answer.json()["data"]
    [pending] = data["totals"]
    assert pending == {
        "account": "pending", "currency": "KES", "opening": 0, "credits": 3 * NET,
        "debits": 0, "closing": 3 * NET, "lines": 3,
    }  # fmt: skip
    assert [line["balance"] for line in data["items"]] == [NET, 2 * NET, 3 * NET]
    assert (data["final"], data["time_zone"]) == (False, "Africa/Nairobi")
    assert data["position"] == data["up_to_position"] >= data["items"][-1]["position"]
    # The month before is over, and nothing was in it: so it stays.
    first = datetime.now(NAIROBI).replace(day=1)
    before = ask(doors, creator, f"{first - timedelta(days=1):%Y-%m}").json()["data"]
    assert (before["final"], before["totals"], before["items"]) == (True, [], [])
    assert before["up_to_position"] == data["after_position"]


def test_pages_stay_at_the_position_of_the_first(doors: Deployment) -> None:
    creator = paid(doors, 5)
    first = ask(doors, creator, this_month(), params={"limit": 2}).json()["data"]
    with closing(Ledger(BookLocation(doors.database, DatabaseRole.APP))) as ledger:
        more = initiate_payment(creator.id)
        assert all(
            each.error is None for each in ledger.execute([more, report_success(more.payment_id)])
        )
    found, cursor = list(first["items"]), first["next_cursor"]
    while cursor is not None:
        page = ask(doors, creator, this_month(), params={"limit": 2, "cursor": cursor})
        data = page.json()["data"]
        assert data["totals"] == first["totals"]
        found, cursor = [*found, *data["items"]], data["next_cursor"]
    assert [line["balance"] for line in found] == [number * NET for number in range(1, 6)]
    now = ask(doors, creator, this_month()).json()["data"]
    assert now["totals"][0]["closing"] == 6 * NET


def test_an_answer_that_is_known_is_not_sent_again(doors: Deployment) -> None:
    creator = paid(doors, 1)
    for accept in ("application/json", "text/csv", "application/pdf"):
        first = ask(doors, creator, this_month(), headers={"accept": accept})
        known = {"accept": accept, "if-none-match": first.headers["etag"]}
        if accept == "application/json":
            assert ask(doors, creator, this_month(), headers=known).status_code == 304
        # A file names the position up to which it goes, and others may have gone on.
        old = f"{datetime.now(NAIROBI) - timedelta(days=70):%Y-%m}"
        ended = ask(doors, creator, old, headers={"accept": accept})
        known = {"accept": accept, "if-none-match": ended.headers["etag"]}
        assert ask(doors, creator, old, headers=known).status_code == 304


def test_a_spreadsheet_and_pages_say_the_same(doors: Deployment) -> None:
    creator = paid(doors, 300)
    data = ask(doors, creator, this_month(), params={"limit": 200}).json()["data"]
    written = ask(doors, creator, this_month(), headers={"accept": "text/csv"})
    assert written.headers["content-type"].startswith("text/csv")
    assert f"statement-{this_month()}.csv" in written.headers["content-disposition"]
    found = list(csv.DictReader(written.text.splitlines()))
    assert [cell["kind"] for cell in found] == ["opening", *["line"] * 300, "closing"]
    assert [int(cell["balance_minor_units"]) for cell in found[1:201]] == [
        line["balance"] for line in data["items"]
    ]
    assert found[1]["amount"] == f"{NET // 100}.{NET % 100:02}"
    assert found[1]["event"] == "payment.succeeded"
    pages = ask(doors, creator, this_month(), headers={"accept": "application/pdf"})
    assert pages.content.startswith(b"%PDF-")
    assert b"/Count 7" in pages.content
    assert f"{300 * NET // 100}.{300 * NET % 100:02}".encode() in pages.content


def test_a_month_too_long_for_pages_is_refused_with_advice(doors: Deployment) -> None:
    creator = paid(doors, PDF_LINES_MAX + 1)
    pages = ask(doors, creator, this_month(), headers={"accept": "application/pdf"})
    assert (pages.status_code, pages.json()["error"]["code"]) == (409, "statement_too_long")
    assert "text/csv" in pages.json()["error"]["message"]
    written = ask(doors, creator, this_month(), headers={"accept": "text/csv"})
    assert len(written.text.splitlines()) == PDF_LINES_MAX + 4


@pytest.mark.parametrize(
    "month",
    ["2026-13", "2026-00", "0000-00", "1999-12", "99999-01", "2026-1", "zqzq", "2026-01%00"],
)
def test_what_is_no_month_is_refused(doors: Deployment, month: str) -> None:
    creator = doors.creator()
    assert ask(doors, creator, month).status_code == httpx.codes.BAD_REQUEST


def test_a_month_that_has_not_begun_and_a_cursor_of_another_are_refused(doors: Deployment) -> None:
    creator = paid(doors, 3)
    future = ask(doors, creator, "2099-01")
    assert (future.status_code, future.json()["error"]["code"]) == (404, "month_not_begun")
    page = ask(doors, creator, this_month(), params={"limit": 1}).json()["data"]
    for accept in ("text/csv", "application/pdf"):
        given = {"cursor": page["next_cursor"]}
        whole = ask(doors, creator, this_month(), params=given, headers={"accept": accept})
        assert whole.status_code == httpx.codes.BAD_REQUEST
    other = ask(doors, creator, "2026-01", params={"cursor": page["next_cursor"]})
    assert (other.status_code, other.json()["error"]["code"]) == (400, "invalid_cursor")


def test_the_months_begin_with_the_creators_first(doors: Deployment) -> None:
    creator = doors.creator()
    answer = doors.api.send(creator, "GET", f"/creators/{creator.id}/statements")
    assert answer.json()["data"]["items"] == [this_month()]
    unknown = doors.api.send(doors.admin, "GET", f"/creators/{doors.fan().id}/statements")
    assert unknown.status_code == httpx.codes.NOT_FOUND


def test_pages_break_where_they_are_full_and_are_the_same_each_time() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    creator = uuid4()
    lines = [
        Transaction(n, 0, "in_transit", "UGX", -5, 10 * n, now, now, "payout.paid.v1", creator)
        for n in range(1, 201)
    ]
    totals = [AccountTotals("in_transit", "UGX", 0, 0, 1_000, -1_000, 200)]
    month = Month("2026-11", 0, 200, final=False)
    first, again = (
        statement_pdf(creator, month, totals, lines, zone=NAIROBI, created=now) for _ in range(2)
    )
    assert first == again
    assert b"provisional" in first
    assert first.count(b"payout.paid") == 200
