"""Whatever is in the files, there is an answer and a status, and never a traceback."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hesabu_verify
from ledger.checkpoints import Signature
from tests.verify.exports import LOG, NEXT, WITNESS, Export, text_of

if TYPE_CHECKING:
    from tests.verify.conftest import Verify

KEY = f"--key={LOG.verifier_key}"


def change_line(export: Export, number: int, change: Callable[[str], str]) -> str:
    lines = text_of(export.records()).splitlines(keepends=True)
    lines[number] = change(lines[number])
    return "".join(lines)


def paid_in(export: Export) -> int:
    """The position of an event with an entry."""
    return next(event.position for event in export.events if event.entry)


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "export.ndjson"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def in_posting(state: str, amount: str) -> str:
    before, _, after = state.rpartition('"amount":')
    return before + amount + after


STATES: list[tuple[str, Callable[[str], str], str]] = [
    ("same key twice", lambda s: s[:-1] + ',"entry":null}', "the same key twice"),
    ("same key inside", lambda s: s.replace('{"account"', '{"amount":1,"account"', 1), "twice"),
    ("fraction", lambda s: s.replace('"amount":', '"amount":0.5,"x":', 1), "0.5 is not an integer"),
    ("exponent", lambda s: s.replace('"amount":', '"amount":1e3,"x":', 1), "1e3 is not an integer"),
    ("whole float", lambda s: s.replace('"amount":', '"amount":1.0,"x":', 1), "not an integer"),
    ("NaN", lambda s: s.replace('"amount":', '"amount":NaN,"x":', 1), "NaN is not an integer"),
    ("infinity", lambda s: s.replace('"amount":', '"amount":-Infinity,"x":', 1), "not an integer"),
    ("text", lambda s: in_posting(s, '"amount":"1","x":'), "not an account"),
    ("extra field", lambda s: in_posting(s, '"note":1,"amount":'), "not an account"),
    ("true", lambda s: s.replace('"entry":', '"entry":true,"x":', 1), "not a list of postings"),
    ("a list", lambda s: s.replace('"postings":', '"lines":', 1), "not a list of postings"),
    ("null", lambda s: s.replace('"entry":', '"entry":null,"x":', 1), "not a list of postings"),
    ("not JSON", lambda s: s[:-1], "is not JSON"),
    ("no object", lambda _s: "[]", "is not a JSON object"),
    ("empty", lambda _s: "", "is not JSON"),
    ("deep", lambda _s: "[" * 100_000, "nested too deeply"),
    ("huge number", lambda _s: '{"a":' + "9" * 5_000 + "}", "is not JSON"),
]


@pytest.mark.parametrize(("change", "what"), [s[1:] for s in STATES], ids=[s[0] for s in STATES])
def test_a_state_that_is_not_what_it_should_be_is_named(
    change: Callable[[str], str], what: str, export: Export, verify: Verify
) -> None:
    event = export.events[paid_in(export) - 1]
    event.state = change(event.state)
    export.sealed = [each.leaf.hex() for each in export.events]
    status, report = verify(export)
    first = report["findings"][0]
    assert (status, first["position"], first["topic"]) == (1, event.position, event.topic)
    assert what in first["what"]


POSTINGS: list[tuple[str, list[Any], str]] = [
    ("none", [], "less than two"),
    ("one", [{"account": "bank:settlement", "amount": 1, "currency": "KES"}], "less than two"),
    ("zero", [{"account": "a", "amount": 0, "currency": "KES"}] * 2, "a posting is zero"),
    ("true", [{"account": "a", "amount": True, "currency": "KES"}] * 2, "amount is not an integer"),
    ("no account", [{"account": None, "amount": 1, "currency": "KES"}] * 2, "no account"),
    ("list", [{"account": ["a"], "amount": 1, "currency": "KES"}] * 2, "no account"),
    ("no currency", [{"account": "a", "amount": 1, "currency": {}}] * 2, "no account or no curr"),
    ("text", ["a", "b"], "not an account"),
    (
        "two currencies",
        [
            {"account": "a", "amount": 1, "currency": "KES"},
            {"account": "b", "amount": -1, "currency": "UGX"},
        ],
        "debits and credits differ by 1 KES",
    ),
]


@pytest.mark.parametrize(
    ("postings", "what"), [p[1:] for p in POSTINGS], ids=[p[0] for p in POSTINGS]
)
def test_an_entry_that_is_none_is_named(
    postings: list[Any], what: str, export: Export, verify: Verify
) -> None:
    event = export.events[paid_in(export) - 1]
    event.rewrite(lambda state: state["entry"].update(postings=postings))
    status, report = verify(export)
    found = [
        finding["what"] for finding in report["findings"] if finding["position"] == event.position
    ]
    assert status == 1
    assert any(what in each for each in found)


def of_amount(export: Export, amount: int) -> None:
    event = export.events[paid_in(export) - 1]
    line = {"account": "bank:settlement", "currency": "KES"}
    more = [{**line, "amount": amount}, {**line, "account": "equity:capital", "amount": -amount}]
    event.rewrite(lambda state: state["entry"]["postings"].extend(more * 3))
    export.recompute()
    export.seal(7)


def test_sums_are_exact_where_no_machine_word_holds_them(export: Export, verify: Verify) -> None:
    of_amount(export, 2**63 - 1)
    status, report = verify(export)
    assert (status, report["totals"]["KES"]["debit"] > 3 * (2**63 - 1)) == (0, True)


@pytest.mark.parametrize("amount", [2**63, 10**4_299])
def test_an_amount_that_no_journal_can_hold_is_named(
    export: Export, verify: Verify, amount: int
) -> None:
    of_amount(export, amount)
    export.balances.clear()
    status, report = verify(export)
    assert (status, report["findings"][0]["position"]) == (1, paid_in(export))
    assert "not an integer of at most 63 bits" in report["findings"][0]["what"]


SHOUTED = "ABCDEF01-0000-0000-0000-00000000C4EA"

LINES: list[tuple[str, Callable[[str], str], str]] = [
    ("not JSON", lambda _l: "{\n", "is not JSON"),
    ("no object", lambda _l: "7\n", "is not a JSON object"),
    ("empty line", lambda _l: "\n", "is not JSON"),
    ("empty object", lambda _l: "{}\n", "neither an event nor a record"),
    ("unknown record", lambda _l: '{"events":{}}\n', "neither an event nor a record"),
    ("wrong record", lambda _l: '{"checkpoint":{}}\n', "neither an event nor a record"),
    ("two records", lambda _l: '{"end":{"events":5},"receipt":{}}\n', "neither an event nor"),
    ("same key twice", lambda line: line.replace("{", '{"version":1,', 1), "the same key twice"),
    ("another field", lambda line: line.replace("{", '{"more":1,', 1), "has the fields"),
    ("position as text", lambda line: line.replace('": 6,', '": "6",', 1), "not an integer"),
    ("position as true", lambda line: line.replace('": 6,', '": true,', 1), "not an integer"),
    ("position as float", lambda line: line.replace('": 6,', '": 6.0,', 1), "not an integer"),
    ("no stream", lambda line: line.replace('"stream": "', '"stream": "x', 1), "not a UUID"),
    ("stream in capitals", lambda line: edit(line, stream=SHOUTED), "not a UUID"),
    ("stream as number", lambda line: edit(line, stream=7), "not a string"),
    ("version nought", lambda line: edit(line, version=0), "out of range"),
    ("version too large", lambda line: edit(line, version=2**63), "out of range"),
    ("topic as null", lambda line: edit(line, topic=None), "not a string"),
    ("unknown topic", lambda line: edit(line, topic="payment.invented.v1"), "does not know"),
    ("half a character", lambda line: line.replace('"{', '"\\ud800{', 1), "not Unicode"),
    ("leaf as number", lambda line: edit(line, leaf=5), "not a string"),
    ("leaf as null", lambda line: edit(line, leaf=None), "not a string"),
    ("another leaf", lambda line: edit(line, leaf="ab" * 32), "sealed with another hash"),
]  # fmt: skip


def edit(line: str, **fields: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps({**json.loads(line), **fields}, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("change", "what"), [each[1:] for each in LINES], ids=[e[0] for e in LINES]
)
def test_a_line_that_is_not_what_it_should_be_is_named(
    change: Callable[[str], str], what: str, export: Export, verify: Verify, tmp_path: Path
) -> None:
    text = change_line(export, 6, change)
    assert text != text_of(export.records())
    status, report = verify(written(tmp_path, text))
    assert (status, report["findings"][0]["position"]) == (1, 6)
    assert any(what in finding["what"] for finding in report["findings"])


@pytest.mark.parametrize("position", [-1, 0, 2**64, 2**70])
def test_a_position_that_no_log_has_is_refused(
    position: int, export: Export, verify: Verify, tmp_path: Path
) -> None:
    text = change_line(export, 6, lambda line: edit(line, position=position))
    status, report = verify(written(tmp_path, text))
    assert (status, report["findings"][0]["position"]) == (1, position)
    assert "position 6 should have come here" in report["findings"][0]["what"]


def test_an_event_that_moves_no_money_may_not_have_an_entry(export: Export, verify: Verify) -> None:
    event = next(each for each in export.events if each.topic == "creator.registered.v1")
    event.rewrite(lambda state: state.update(entry=None))
    export.recompute()
    export.seal(7)
    status, report = verify(export)
    assert (status, report["findings"][0]["position"]) == (1, event.position)
    assert "moves no money, but this one has an entry" in report["findings"][0]["what"]


ENDS: list[tuple[str, Callable[[list[str]], list[str]], str]] = [
    ("cut between lines", lambda lines: lines[:-1], "it has no end"),
    ("cut in a line", lambda lines: [*lines[:-1], lines[-1][:-1]], "breaks off in the middle"),
    ("other number", lambda lines: [*lines[:-1], '{"end":{"events":1}}\n'], "should have been 1"),
    ("more after it", lambda lines: [*lines, lines[-1]], "lines after the end"),
    ("number as text", lambda lines: [*lines[:-1], '{"end":{"events":"1"}}\n'], "not an int"),
    ("negative number", lambda lines: [*lines[:-1], '{"end":{"events":-1}}\n'], "out of range"),
    ("other fields", lambda lines: [*lines[:-1], '{"end":{"event":1}}\n'], "has the fields"),
]


@pytest.mark.parametrize(("change", "what"), [each[1:] for each in ENDS], ids=[e[0] for e in ENDS])
def test_an_end_that_is_not_the_end_is_found(
    change: Callable[[list[str]], list[str]],
    what: str,
    export: Export,
    verify: Verify,
    tmp_path: Path,
) -> None:
    lines = change(text_of(export.records()).splitlines(keepends=True))
    status, report = verify(written(tmp_path, "".join(lines)))
    assert status == 1
    assert what in report["findings"][0]["what"]


def test_balances_of_another_position_are_refused(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    records = list(export.records())
    records[-2]["balances"]["position"] -= 1
    status, report = verify(written(tmp_path, text_of(records)))
    assert status == 1
    assert "of position" in report["findings"][0]["what"]


BALANCES: list[tuple[str, dict[str, Any], str]] = [
    ("float", {"account": "a", "currency": "KES", "balance": 1.5}, "not an integer"),
    ("text", {"account": "a", "currency": "KES", "balance": "1"}, "not an int"),
    ("no account", {"currency": "KES", "balance": 1}, "has the fields"),
    ("too much", {"account": "a", "currency": "KES", "balance": 10**4_000}, "out of range"),
    ("more fields", {"account": "a", "currency": "KES", "balance": 1, "x": 1}, "has the fields"),
]


@pytest.mark.parametrize(("line", "what"), [b[1:] for b in BALANCES], ids=[b[0] for b in BALANCES])
def test_a_balance_that_is_none_is_refused(
    line: dict[str, Any], what: str, export: Export, verify: Verify
) -> None:
    export.balances.append(line)
    status, report = verify(export)
    assert status == 1
    assert what in report["findings"][0]["what"]


def test_a_balance_that_is_no_object_is_refused(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    text = text_of(export.records()).replace('"balances": [', '"balances": [7, ')
    status, report = verify(written(tmp_path, text))
    assert status == 1
    assert "a balance is not an object" in report["findings"][0]["what"]


def test_a_balance_that_is_in_two_lines_is_refused(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    lines = text_of(export.records()).splitlines(keepends=True)
    status, report = verify(written(tmp_path, "".join([*lines[:-1], *lines[-2:]])))
    assert status == 1
    assert "is there twice" in report["findings"][0]["what"]


def test_a_balance_that_is_there_twice_is_refused(export: Export, verify: Verify) -> None:
    export.balances.append(export.balances[0])
    status, report = verify(export)
    assert status == 1
    assert "is there twice" in report["findings"][0]["what"]


def test_a_line_that_is_too_long_is_not_kept(
    export: Export, verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hesabu_verify, "LINE_BYTES_MAX", 40_000)
    long = change_line(export, 6, lambda line: line[:-1] + " " * 40_000 + "\n")
    status, report = verify(written(tmp_path, long))
    assert (status, report["findings"][0]["position"]) == (1, 6)
    assert "line 7 is longer than 40000 bytes" in report["findings"][0]["what"]


def test_bytes_that_are_no_text_are_named_by_their_line(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    content = text_of(export.records()).encode().replace(b'"state"', b'"\xff\xfe"', 1)
    status, report = verify(written(tmp_path, content))
    assert status == 1
    assert "line 2 is not UTF-8" in report["findings"][0]["what"]


@pytest.mark.parametrize("kept", [100, 1_000, 2_000])
def test_a_packed_export_that_is_cut_off_is_found(
    export: Export, verify: Verify, tmp_path: Path, kept: int
) -> None:
    packed = gzip.compress(text_of(export.records()).encode())
    status, report = verify(written(tmp_path, packed[:kept]))
    assert status in (1, 2)
    if status == 1:
        assert "cannot be unpacked" in report["findings"][0]["what"]


def test_a_name_in_a_file_cannot_write_to_the_terminal(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export.events[2].topic = "\x1b[2Jpayment\nGOOD: everything"
    path = export.write(tmp_path / "export.ndjson")
    assert hesabu_verify.main([str(path), KEY]) == 1
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\nGOOD" not in shown


# What cannot be judged.

HEADERS: list[tuple[str, str, int]] = [
    ("empty", "", 2),
    ("no JSON", "hello\n", 2),
    ("another format", '{"format":"hesabu-export-2"}\n', 2),
    ("no format", "{}\n", 2),
    (
        "a part",
        '{"format":"hesabu-export-1","origin":"hesabu.example/log","first":9,"book":"b"}\n',
        2,
    ),
    ("another log", '{"format":"hesabu-export-1","origin":"other","first":1,"book":"b"}\n', 2),
    ("no book", '{"format":"hesabu-export-1","origin":"hesabu.example/log","first":1}\n', 1),
    ("book as number", '{"format":"hesabu-export-1","origin":"other","first":1,"book":1}\n', 1),
]


@pytest.mark.parametrize(
    ("text", "expected"), [h[1:] for h in HEADERS], ids=[h[0] for h in HEADERS]
)
def test_a_header_that_is_none_is_refused(
    text: str, expected: int, verify: Verify, tmp_path: Path
) -> None:
    status, report = verify(written(tmp_path, text))
    assert status == expected
    assert report["verdict"] == ("broken" if expected == 1 else "unusable")


def test_what_cannot_be_read_is_unusable(
    export: Export, verify: Verify, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(tmp_path / "nowhere")[0] == 2
    assert verify(tmp_path)[0] == 2
    for option in ("checkpoint", "receipt", "balances"):
        assert verify(export, f"--{option}={tmp_path / 'nowhere'}")[0] == 2
        nonsense = tmp_path / "nonsense"
        nonsense.write_bytes(b"nonsense")
        assert verify(export, f"--{option}={nonsense}")[0] == 2
        nonsense.write_bytes(b"\xff\xff")
        assert verify(export, f"--{option}={nonsense}")[0] == 2
    path = export.write(tmp_path / "export.ndjson")
    assert hesabu_verify.main([str(path), "--key=nonsense"]) == 2
    assert capsys.readouterr().out.startswith("UNUSABLE: nonsense is not a key")


@pytest.mark.parametrize(
    "text",
    [
        "hesabu.example/log+7b8b2b6a+AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "\udc80+" + KEY[-53:],
    ],
    ids=["of another type", "no Unicode"],
)
def test_a_key_that_cannot_be_used_is_unusable(export: Export, verify: Verify, text: str) -> None:
    status, report = verify(export, keys=(text,))
    assert (status, "key" in report["what"]) == (2, True)


@pytest.mark.parametrize("root", ["A" * 42 + "B=", "A" * 42 + "//"])
def test_a_root_in_another_spelling_is_no_root(export: Export, verify: Verify, root: str) -> None:
    lines = export.note().split("\n")
    export.checkpoints[export.size] = "\n".join([*lines[:2], root, *lines[3:]])
    assert verify(export)[0] == 1


@pytest.mark.parametrize("size", [2**63, 9_999_999_999_999_999_999])
def test_a_checkpoint_of_a_size_that_no_log_has_is_refused(
    export: Export, verify: Verify, size: int
) -> None:
    body = f"hesabu.example/log\n{size}\n{'A' * 43}=\n"
    signature = LOG.private_key.sign(body.encode())
    line = Signature(LOG.name, LOG.verifier_key.key_id, signature)
    export.checkpoints[export.size] = f"{body}\n{line}"
    status, report = verify(export)
    assert status == 1
    assert "out of range" in report["findings"][0]["what"]


def test_half_a_character_in_a_checkpoint_is_no_checkpoint(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    text = text_of(export.records()).replace('"checkpoint": "', '"checkpoint": "\\ud800', 1)
    status, report = verify(written(tmp_path, text))
    assert status == 1
    assert "is not a checkpoint" in report["findings"][0]["what"]


def test_a_negative_position_is_no_position(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        hesabu_verify.main([str(tmp_path), KEY, "--until=-1"])
    assert left.value.code == 2
    assert "--until is a position" in capsys.readouterr().err


@pytest.mark.parametrize("number", [0, 2, 5])
def test_a_damaged_key_is_unusable(export: Export, verify: Verify, number: int) -> None:
    text = str(LOG.verifier_key)
    place = len(text) - 10 + number
    damaged = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    assert verify(export, keys=(damaged,))[0] == 2


def test_a_file_that_is_too_long_is_unusable(
    export: Export, verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hesabu_verify, "FILE_BYTES_MAX", 10)
    kept = tmp_path / "kept"
    kept.write_text(export.note(), encoding="utf-8")
    assert verify(export, f"--checkpoint={kept}")[0] == 2


def test_a_kept_checkpoint_that_is_not_signed_by_a_pinned_key_is_unusable(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    for signer in (NEXT, WITNESS):
        kept.write_text(export.note(None, signer), encoding="utf-8")
        assert verify(export, f"--checkpoint={kept}")[0] == 2


def test_an_export_that_ends_before_the_position_is_broken(export: Export, verify: Verify) -> None:
    status, report = verify(export, f"--until={export.size + 1}")
    assert status == 1
    assert "ends before position" in report["findings"][0]["what"]


# Anything at all.


@pytest.mark.parametrize("seed", range(60))
def test_no_byte_of_an_export_can_be_changed_unnoticed(
    seed: int, export: Export, verify: Verify, tmp_path: Path
) -> None:
    random = Random(seed)
    content = bytearray(text_of(export.records()).encode())
    header = content.index(b"\n")
    place = random.randrange(header + 1, len(content))
    content[place] ^= 1 << random.randrange(8)
    before, after = text_of(export.records()).encode(), bytes(content)
    if same_meaning(before, after):
        return
    assert verify(written(tmp_path, after))[0] == 1


def same_meaning(before: bytes, after: bytes) -> bool:
    """Whether only the blank space between JSON's words is another, or a letter of a \\u escape."""
    try:
        return [json.loads(line) for line in before.splitlines()] == [
            json.loads(line) for line in after.splitlines()
        ]
    except ValueError:
        return False


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(content=st.binary(max_size=200))
def test_any_bytes_after_a_header_have_an_answer(
    content: bytes, verify: Verify, tmp_path: Path
) -> None:
    header = json.dumps(next(Export([], []).records())).encode()
    assert verify(written(tmp_path, header + b"\n" + content))[0] == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    name=st.sampled_from(["position", "stream", "version", "topic", "state", "leaf"]),
    number=st.integers(0, 60),
    value=JSON,
)
def test_any_value_in_any_place_has_an_answer(
    name: str, number: int, value: object, export: Export, verify: Verify
) -> None:
    records = list(export.records())
    record = records[number % len(records)]
    unchanged = json.dumps(record)
    record[name if "position" in record else next(iter(record))] = value
    expected = {0} if json.dumps(record) == unchanged else {1, 2}
    with tempfile.TemporaryDirectory() as directory:
        assert verify(written(Path(directory), text_of(records)))[0] in expected
