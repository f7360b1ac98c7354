"""Creators get numbered documents about months that have ended, and no two about the same."""

from __future__ import annotations

import io
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pypdf
import pytest

from api.auth import Role
from ledger.commands import PayoutClaim
from ledger.events import PayoutRequested
from tests.api.past import Past, past_of
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import rows
from tests.money_builders import (
    PAYOUT_TERMS,
    add_destination,
    approve_payout,
    payout_submitted,
    release_funds,
    report_payout,
    request_payout,
    request_refund,
    set_tax_profile,
    start_payout,
    verify_creator,
    verify_destination,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.api.deployment import Deployment, Person

NAIROBI: Final = ZoneInfo("Africa/Nairobi")
FEBRUARY: Final = datetime(2026, 2, 1, tzinfo=NAIROBI)
MARCH: Final = datetime(2026, 3, 1, tzinfo=NAIROBI)
MOMENT: Final = timedelta(microseconds=1)
TERMS: Final = replace(PAYOUT_TERMS, fixed_fee=100, vat_basis_points=1_600)

FEES: Final = ("platform:fees", "platform:payout_fees", "tax:vat")
NAMES: Final = {
    "platform:fees": "platform_fees",
    "platform:payout_fees": "payout_fees",
    "tax:vat": "vat",
}


@dataclass(frozen=True)
class Archive:
    """A book in which two creators earned in February and March."""

    doors: Deployment
    creator: Person
    other: Person
    idle: Person

    def issue(
        self,
        creator: Person,
        kind: str = "fee_invoice",
        month: str = "2026-02",
        *,
        key: str | None = None,
    ) -> httpx.Response:
        path = f"/creators/{creator.id}/documents"
        body = {"kind": kind, "month": month}
        key = key or str(uuid4())
        return self.doors.api.send(self.doors.admin, "POST", path, key=key, json=body)

    def read(self, creator: Person, rest: str = "", **headers: str) -> httpx.Response:
        path = f"/creators/{creator.id}/documents{rest}"
        return self.doors.api.send(creator, "GET", path, headers=headers)


@pytest.fixture(scope="module")
def archive(deploy: Callable[..., Deployment]) -> Iterator[Archive]:
    doors = deploy().add_apis(1)
    creators = [doors.person(Role.CREATOR) for _ in range(3)]
    with past_of(doors.database) as past:
        live(past, creators[0].id, creators[1].id)
        past.at(MARCH + timedelta(days=9), register_creator(creators[2].id))
    with doors:
        yield Archive(doors, *creators)


def live(past: Past, creator: UUID, other: UUID) -> None:
    """Payments around both ends of February, a refund in it, a payout that comes back in March."""
    destination, payout = uuid4(), uuid4()
    past.at(
        FEBRUARY - timedelta(days=10),
        register_creator(creator),
        register_creator(other),
        set_tax_profile(creator, 500),
        verify_creator(creator),
        add_destination(creator, destination),
        verify_destination(creator, destination),
    )
    pay(past, FEBRUARY - MOMENT, creator, 100_000)
    first = pay(past, FEBRUARY, creator, 125_000)
    pay(past, FEBRUARY + timedelta(days=2), other, 70_000)
    past.at(FEBRUARY + timedelta(days=4), release_funds(first), request_refund(first, 62_500))
    [requested, *_] = past.at(
        FEBRUARY + timedelta(days=5),
        request_payout(creator, destination, 40_000, payout_id=payout, terms=TERMS),
        approve_payout(payout),
        start_payout(payout, creator),
        payout_submitted(payout),
    )
    [event] = requested.events
    assert isinstance(event, PayoutRequested)
    legs = event.legs
    past.at(FEBRUARY + timedelta(days=6), report_payout(payout, legs.net))
    pay(past, MARCH - MOMENT, creator, 50_000)
    pay(past, MARCH, creator, 30_000)
    past.at(MARCH + timedelta(days=1), report_payout(payout, legs.net, PayoutClaim.RETURNED))


def pay(past: Past, moment: datetime, creator: UUID, amount: int) -> UUID:
    payment = uuid4()
    past.at(
        moment,
        initiate_payment(creator, amount, payment_id=payment),
        report_success(payment, amount),
    )
    return payment


def told(archive: Archive, creator: Person, month: str) -> tuple[Counter[str], Counter[str]]:
    """What anybody reads in the log: credits and debits of entries that touch the creator."""
    credited: Counter[str] = Counter()
    debited: Counter[str] = Counter()
    for (state,) in rows(archive.doors.database, "SELECT state FROM ledger_events"):
        event = json.loads(state)
        recorded_at = datetime.fromisoformat(event["recorded_at"]).astimezone(NAIROBI)
        postings = (event.get("entry") or {"postings": []})["postings"]
        mine = any(each["account"].startswith(f"creator:{creator.id}:") for each in postings)
        if f"{recorded_at:%Y-%m}" != month or not mine:
            continue
        for each in postings:
            (debited if each["amount"] > 0 else credited)[each["account"]] += abs(each["amount"])
    return credited, debited


def lines(document: dict[str, Any]) -> dict[str, int]:
    return {line["what"]: line["amount"] for line in document["lines"]}


def issued(answer: httpx.Response, status: int = 201) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def code(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["code"])


def test_a_fee_invoice_is_about_what_was_recorded_in_its_month(archive: Archive) -> None:
    answer = archive.issue(archive.creator)
    document = issued(answer)
    # 125,000 and 50,000 at ten per cent, a payout at 100, and 16 per cent of each as VAT. What was
    # recorded a microsecond before the month, or as it ended, is not in it.
    assert lines(document) == {"platform_fees": 17_500, "payout_fees": 100, "vat": 2_816}
    credited, _ = told(archive, archive.creator, "2026-02")
    assert lines(document) == {NAMES[account]: credited[account] for account in FEES}
    assert document["total"] == 20_416
    assert document["number"].startswith("FI-2026-02-00000")
    assert answer.headers["location"].endswith(f"/documents/{document['number']}")
    [[recorded_at]] = rows(
        archive.doors.database,
        "SELECT recorded_at FROM turns WHERE position = %s",
        document["up_to_position"],
    )
    assert recorded_at == MARCH - MOMENT


def test_a_credit_note_is_about_what_was_given_back(archive: Archive) -> None:
    february = issued(archive.issue(archive.creator, "credit_note"))
    assert lines(february) == {"platform_fees": 6_250, "vat": 1_000}
    march = issued(archive.issue(archive.creator, "credit_note", "2026-03"))
    assert lines(march) == {"payout_fees": 100, "vat": 16}
    for document in (february, march):
        _, debited = told(archive, archive.creator, document["month"])
        assert lines(document) == {NAMES[name]: debited[name] for name in FEES if debited[name]}


def test_a_withholding_certificate_follows_payouts_there_and_back(archive: Archive) -> None:
    kind = "withholding_certificate"
    february = issued(archive.issue(archive.creator, kind))
    credited, _ = told(archive, archive.creator, "2026-02")
    withheld = credited["tax:withholding"]
    assert withheld > 0
    assert lines(february) == {"paid_out": 40_000, "withholding": withheld}
    march = issued(archive.issue(archive.creator, kind, "2026-03"))
    assert lines(march) == {"withholding_returned": withheld}
    assert (february["total"], march["total"]) == (withheld, -withheld)


def test_one_creators_document_knows_nothing_of_anothers(archive: Archive) -> None:
    document = issued(archive.issue(archive.other))
    assert lines(document) == {"platform_fees": 7_000, "vat": 1_120}
    assert code(archive.issue(archive.other, "credit_note"), 409) == "nothing_to_document"
    other = archive.read(archive.creator, f"/{document['number']}")
    assert code(other, 404) == "document_not_found"
    own = archive.read(archive.other, f"/{document['number']}")
    assert {**own.json()["data"], "position": 0} == {**document, "position": 0}


def test_a_document_is_issued_once_whoever_asks_again(archive: Archive) -> None:
    key = str(uuid4())
    first = archive.issue(archive.creator, month="2026-01", key=key)
    again = archive.issue(archive.creator, month="2026-01", key=key)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    document = issued(first)
    otherwise = archive.issue(archive.creator, month="2026-01")
    assert {**issued(otherwise, 200), "position": 0} == {**document, "position": 0}
    assert otherwise.headers["location"] == first.headers["location"]
    reused = archive.issue(archive.creator, month="2026-03", key=key)
    assert code(reused, 422) == "idempotency_key_reused"


def test_a_document_that_many_ask_for_at_once_has_one_number(archive: Archive) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: archive.issue(archive.creator, "credit_note", "2026-03"), range(8))
        )
    assert len({answer.json()["data"]["number"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers)[:7] == [200] * 7


def test_numbers_of_a_month_follow_one_another(archive: Archive) -> None:
    numbers = [
        issued(archive.issue(creator, month=month), status=status)["number"]
        for creator, month, status in (
            (archive.creator, "2026-03", 201),
            (archive.creator, "2026-03", 200),
        )
    ]
    assert numbers == ["FI-2026-03-000001"] * 2
    for creator in (archive.creator, archive.other):
        archive.issue(creator, month="2026-02")
    listed = [archive.read(who).json()["data"]["items"] for who in (archive.creator, archive.other)]
    invoices = {
        item["number"]
        for items in listed
        for item in items
        if (item["kind"], item["month"]) == ("fee_invoice", "2026-02")
    }
    assert invoices == {"FI-2026-02-000001", "FI-2026-02-000002"}


def test_a_month_that_is_not_over_has_no_documents_yet(archive: Archive) -> None:
    now = datetime.now(UTC).astimezone(NAIROBI)
    for month in (f"{now:%Y-%m}", "2099-12"):
        assert code(archive.issue(archive.creator, month=month), 409) == "month_not_over"
    assert code(archive.issue(archive.creator, month="2001-01"), 409) == "nothing_to_document"
    assert code(archive.issue(archive.idle), 409) == "nothing_to_document"


@pytest.mark.parametrize(
    ("kind", "month", "field"),
    [
        ("receipt", "2026-02", "kind"),
        ("fee_invoice", "2026-13", "month"),
        ("fee_invoice", "2026-2", "month"),
        ("fee_invoice", "2026-02-01", "month"),
        ("fee_invoice", "0000-01", "month"),
        ("fee_invoice", "9999-12", "month"),
    ],
)
def test_what_is_no_kind_or_month_is_named(
    archive: Archive, kind: str, month: str, field: str
) -> None:
    before = archive.doors.recorded()
    answer = archive.issue(archive.creator, kind, month)
    assert code(answer, 400) == "validation_error"
    assert [each["field"] for each in answer.json()["error"]["details"]] == [field]
    assert archive.doors.recorded() == before


def test_nobody_unknown_has_documents(archive: Archive) -> None:
    unknown = archive.doors.person(Role.CREATOR)
    assert code(archive.issue(unknown), 404) == "creator_not_found"
    assert code(archive.read(unknown), 404) == "creator_not_found"
    for number in ("FI-2026-02-999999", "FI-2026-2-1", "zqzq", str(uuid4())):
        assert code(archive.read(archive.creator, f"/{number}"), 404) == "document_not_found"


def test_documents_are_listed_with_the_newest_month_first(archive: Archive) -> None:
    for kind in ("fee_invoice", "credit_note", "withholding_certificate"):
        for month in ("2026-02", "2026-03"):
            archive.issue(archive.creator, kind, month)
    whole = archive.read(archive.creator).json()["data"]["items"]
    months = [item["month"] for item in whole]
    assert months == sorted(months, reverse=True)
    assert len({item["number"] for item in whole}) == len(whole) >= 6
    paged: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = archive.read(
            archive.creator, f"?limit=2{'' if cursor is None else f'&cursor={cursor}'}"
        ).json()["data"]
        paged += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert [item["number"] for item in paged] == [item["number"] for item in whole]
    assert {item["creator_id"] for item in whole} == {str(archive.creator.id)}
    assert archive.read(archive.idle).json()["data"]["items"] == []


def test_a_cursor_of_another_creator_leads_nowhere_else(archive: Archive) -> None:
    archive.issue(archive.creator)
    archive.issue(archive.other)
    archive.issue(archive.creator, month="2026-03")
    cursor = archive.read(archive.creator, "?limit=1").json()["data"]["next_cursor"]
    items = archive.read(archive.other, f"?cursor={cursor}").json()["data"]["items"]
    assert {item["creator_id"] for item in items} <= {str(archive.other.id)}


def test_a_document_is_also_a_page_that_is_the_same_every_time(archive: Archive) -> None:
    archive.issue(archive.creator)
    [document] = [
        item
        for item in archive.read(archive.creator).json()["data"]["items"]
        if (item["kind"], item["month"]) == ("fee_invoice", "2026-02")
    ]
    first, again = (
        archive.read(archive.creator, f"/{document['number']}", accept="application/pdf")
        for _ in range(2)
    )
    assert first.headers["content-type"] == "application/pdf"
    assert first.headers["content-disposition"] == f'inline; filename="{document["number"]}.pdf"'
    assert first.content == again.content
    [page] = pypdf.PdfReader(io.BytesIO(first.content), strict=True).pages
    text = page.extract_text()
    for expected in (
        "Fee invoice",
        document["number"],
        str(archive.creator.id),
        "Fees on payments KES 175.00",
        "Fees on payouts KES 1.00",
        "VAT KES 28.16",
        "Total charged KES 204.16",
    ):
        assert expected in text, text


def test_the_lines_of_a_book_in_another_zone_are_those_of_its_months(
    deploy: Callable[..., Deployment],
) -> None:
    doors = deploy(BOOK_TIME_ZONE="Pacific/Auckland").add_apis(1)
    creator = doors.person(Role.CREATOR)
    ends = datetime(2026, 3, 1, tzinfo=ZoneInfo("Pacific/Auckland"))
    with past_of(doors.database) as past:
        past.at(FEBRUARY, register_creator(creator.id))
        pay(past, ends - MOMENT, creator.id, 10_000)
        pay(past, ends, creator.id, 20_000)
    with doors:
        archive = Archive(doors, creator, creator, creator)
        assert lines(issued(archive.issue(creator)))["platform_fees"] == 1_000
        assert lines(issued(archive.issue(creator, month="2026-03")))["platform_fees"] == 2_000
