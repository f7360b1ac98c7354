"""A receipt that somebody kept proves that the platform dropped or changed its event."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hesabu_verify
from ledger.merkle import EMPTY_ROOT
from ledger.receipts import ReceiptSigner, SignedReceipt, receipt_message
from tests.ledger.trees import leaves_of, path_of, tree_hash
from tests.verify.exports import LOG, ORIGIN, RECEIPTS, STRANGER, Export, signer, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.checkpoints import Signer
    from tests.verify.conftest import Verify

ISSUED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = (LOG.verifier_key, RECEIPTS.verifier_key)
PINNED = [hesabu_verify.Key.parse(str(key)) for key in KEYS]


def receipts_of(first: int, leaves: list[bytes], by: Signer = RECEIPTS) -> list[SignedReceipt]:
    turn = ReceiptSigner(by, origin=ORIGIN, clock=lambda: ISSUED_AT).sign(first, leaves)
    return [turn.receipt(index) for index in range(len(leaves))]


def of_turn(export: Export, first: int, count: int) -> list[dict[str, Any]]:
    leaves = [event.leaf for event in export.events[first - 1 : first - 1 + count]]
    return [receipt.to_json() for receipt in receipts_of(first, leaves)]


def kept(tmp_path: Path, receipt: dict[str, Any]) -> str:
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(receipt), encoding="utf-8")
    return f"--receipt={path}"


@given(st.integers(1, 70), st.integers(1, 10**12))
def test_each_event_of_a_turn_has_a_receipt_under_one_signature(count: int, first: int) -> None:
    leaves = leaves_of(count)
    receipts = receipts_of(first, leaves)
    assert [receipt.position for receipt in receipts] == list(range(first, first + count))
    [turn] = {receipt.turn for receipt in receipts}
    assert (turn.root, turn.count) == (tree_hash(leaves), count)
    message = receipt_message(
        origin=ORIGIN, first=first, count=count, root=turn.root, issued_at=turn.issued_at
    )
    assert RECEIPTS.verifier_key.verify(turn.signature, message)
    for index, receipt in enumerate(receipts):
        assert list(receipt.path) == path_of(index, leaves)
        read = hesabu_verify.read_receipt(receipt.to_json(), PINNED, "it")
        assert (read.position, read.leaf) == (receipt.position, leaves[index])


def test_the_signed_message_is_of_receipts_only() -> None:
    message = receipt_message(
        origin="o", first=1, count=2, root=EMPTY_ROOT, issued_at="2026-03-01T12:00:00.000Z"
    )
    root = EMPTY_ROOT.hex()
    assert message.decode() == f"hesabu receipt v1\no\n1\n2\n{root}\n2026-03-01T12:00:00.000Z\n"


def test_a_turn_without_events_has_no_receipts() -> None:
    with pytest.raises(ValueError, match="without events"):
        receipts_of(1, [])


def test_the_key_of_checkpoints_signs_no_receipts() -> None:
    with pytest.raises(ValueError, match="receipts of hesabu"):
        receipts_of(1, leaves_of(1), LOG)


@pytest.mark.parametrize(("first", "count"), [(1, 1), (1, 5), (9, 3), (20, 8)])
def test_a_kept_receipt_is_found_in_the_log(
    export: Export, verify: Verify, tmp_path: Path, first: int, count: int
) -> None:
    for receipt in of_turn(export, first, count):
        status, report = verify(export, kept(tmp_path, receipt), keys=KEYS)
        assert (status, report["receipts"]) == (0, 1)


def test_a_receipt_finds_a_change_that_no_checkpoint_covers(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    [receipt] = of_turn(export, 12, 1)
    event = export.events[11]
    event.rewrite(lambda state: state.update(actor="admin:nobody"))
    export.recompute()
    export.seal(7)
    assert verify(export, keys=KEYS)[0] == 0
    status, report = verify(export, kept(tmp_path, receipt), keys=KEYS)
    [finding] = report["findings"]
    assert (status, finding["position"], finding["stream"]) == (1, 12, event.stream)
    assert finding["what"].endswith("of 2026-03-01T12:00:00.000Z, is of another event")


def test_a_receipt_finds_an_event_that_was_dropped_at_the_end(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    [receipt] = of_turn(export, export.size, 1)
    del export.events[-1]
    export.recompute()
    export.seal(7)
    status, report = verify(export, kept(tmp_path, receipt), keys=KEYS)
    assert status == 1
    assert report["findings"][0]["position"] == export.size + 1
    assert report["findings"][0]["what"].startswith("missing: your ")
    status, report = verify(export, kept(tmp_path, receipt), f"--until={export.size}", keys=KEYS)
    assert (status, len(report["not_checked"])) == (0, 1)


def test_a_receipt_finds_a_change_of_another_event_of_its_turn(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    receipt = of_turn(export, 10, 4)[2]
    export.events[12].rewrite(lambda state: state.update(actor="admin:nobody"))
    export.recompute()
    export.seal(7)
    status, report = verify(export, kept(tmp_path, receipt), keys=KEYS)
    [finding] = report["findings"]
    assert (status, finding["position"]) == (1, 10)
    assert "an event of the positions 10 to 13 is not what was signed" in finding["what"]


def test_a_receipt_finds_that_the_end_of_its_turn_was_dropped(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    receipt = of_turn(export, export.size - 2, 3)[0]
    del export.events[-1]
    export.recompute()
    export.seal(7)
    status, report = verify(export, kept(tmp_path, receipt), keys=KEYS)
    assert status == 1
    assert report["findings"][0]["position"] == export.size + 1
    assert report["findings"][0]["what"].startswith("missing: the turn of your ")


def test_receipts_may_stand_in_the_export_before_their_events(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    header, *lines, end = export.records()
    receipts = [{"receipt": receipt} for receipt in of_turn(export, 3, 6)]
    path = tmp_path / "export.ndjson"
    path.write_text(text_of([header, *receipts, *lines, end]), encoding="utf-8")
    status, report = verify(path, keys=KEYS)
    assert (status, report["receipts"]) == (0, 6)
    path.write_text(text_of([header, *lines, *receipts, end]), encoding="utf-8")
    status, report = verify(path, keys=KEYS)
    assert status == 1
    assert "too late" in report["findings"][0]["what"]


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("format", {"format": "hesabu-receipt-2"}),
    ("origin", {"origin": "other.example"}),
    ("position", {"position": 11}),
    ("position outside", {"position": 14}),
    ("position negative", {"position": -1}),
    ("position as text", {"position": "10"}),
    ("leaf", {"leaf": "ab" * 32}),
    ("leaf in capitals", {"leaf": "AB" * 32}),
    ("leaf too short", {"leaf": "ab"}),
    ("turn", {"turn": []}),
    ("turn's fields", {"turn": {"first": 10, "count": 4}}),
    ("no path", {"path": []}),
    ("path of another kind", {"path": [1]}),
    ("path too long", {"path": ["ab" * 32] * 70}),
    ("issued_at", {"issued_at": "2026-03-01T12:00:01.000Z"}),
    ("issued_at of another form", {"issued_at": "2026-03-01"}),
    ("key", {"key": str(LOG.verifier_key).rpartition("+")[0]}),
    ("unknown key", {"key": "hesabu.example/log/receipts+00000000"}),
    ("signature", {"signature": "AAAA"}),
    ("signature of other letters", {"signature": "****"}),
    ("signature as number", {"signature": 1}),
    ("more", {"more": 1}),
]


@pytest.mark.parametrize("change", [c[1] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_a_receipt_that_was_changed_is_no_receipt(
    change: dict[str, Any], export: Export, verify: Verify, tmp_path: Path
) -> None:
    receipt = of_turn(export, 10, 4)[0]
    assert verify(export, kept(tmp_path, receipt), keys=KEYS)[0] == 0
    assert verify(export, kept(tmp_path, {**receipt, **change}), keys=KEYS)[0] == 2


@pytest.mark.parametrize("name", ["first", "count", "root"])
def test_a_turn_that_was_changed_is_no_turn(
    name: str, export: Export, verify: Verify, tmp_path: Path
) -> None:
    receipt = of_turn(export, 10, 4)[0]
    other = {"first": 9, "count": 5, "root": "ab" * 32}[name]
    receipt["turn"] = {**receipt["turn"], name: other}
    assert verify(export, kept(tmp_path, receipt), keys=KEYS)[0] == 2


def test_a_receipt_of_another_log_is_refused(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    other = signer("other.example/receipts", seed=8)
    receipts = ReceiptSigner(other, origin="other.example", clock=lambda: ISSUED_AT)
    receipt = receipts.sign(1, [export.events[0].leaf]).receipt(0)
    keys = (*KEYS, other.verifier_key)
    assert verify(export, kept(tmp_path, receipt.to_json()), keys=keys)[0] == 2


def test_a_receipt_of_a_key_that_is_not_pinned_is_refused(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    receipt = of_turn(export, 1, 1)[0]
    assert verify(export, kept(tmp_path, receipt))[0] == 2
    stranger = signer(RECEIPTS.name, seed=9)
    leaf = [export.events[0].leaf]
    forged = receipts_of(1, leaf, stranger)[0].to_json()
    assert verify(export, kept(tmp_path, forged), keys=KEYS)[0] == 2
    forged["key"] = receipt["key"]
    assert verify(export, kept(tmp_path, forged), keys=KEYS)[0] == 2
    assert STRANGER.verifier_key not in KEYS
