"""What is in order passes, and the report says what was checked and what was not."""

from __future__ import annotations

import ast
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hesabu_verify
from tests.verify.exports import LOG, NEXT, STRANGER, WITNESS, Export, signer, text_of

if TYPE_CHECKING:
    from tests.verify.conftest import Verify

PROGRAM = Path(hesabu_verify.__file__)


def write(path: Path, content: object) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def test_a_real_log_passes_and_is_counted(export: Export, verify: Verify) -> None:
    status, report = verify(export)
    assert (status, report["verdict"], report["findings"]) == (0, "good", [])
    entries = [event.entry for event in export.events if event.entry]
    assert len(entries) > 10
    assert report["events"] == report["covered"] == export.size
    assert report["checkpoints"] == len(export.checkpoints) > 3
    assert report["streams"] == len({event.stream for event in export.events})
    assert report["entries"] == len(entries)
    assert report["postings"] == sum(len(entry["postings"]) for entry in entries)
    assert report["balances"] == len(export.balances)
    assert report["root"] == export.root().hex()
    assert report["not_checked"] == []


def test_totals_are_told_by_currency(export: Export, verify: Verify) -> None:
    _status, report = verify(export)
    assert sorted(report["totals"]) == ["KES", "UGX"]
    for currency, total in report["totals"].items():
        shown = [line["balance"] for line in export.balances if line["currency"] == currency]
        assert total["debit"] == total["credit"] == sum(each for each in shown if each > 0) > 0


def test_the_program_stands_alone(export: Export, tmp_path: Path) -> None:
    path = export.write(tmp_path / "export.ndjson")
    alone = tmp_path / "verify.py"
    alone.write_bytes(PROGRAM.read_bytes())
    command = [sys.executable, "-I", str(alone), str(path), "--key", str(LOG.verifier_key)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("Log hesabu.example/log, book main\n")
    assert run.stdout.endswith("GOOD: everything that was checked is right\n")


def test_the_program_imports_the_standard_library_and_cryptography_only() -> None:
    imported = set()
    for node in ast.walk(ast.parse(PROGRAM.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
    assert imported - sys.stdlib_module_names == {"cryptography"}


def test_an_export_comes_packed_or_by_standard_input(export: Export, tmp_path: Path) -> None:
    packed = gzip.compress(text_of(export.records()).encode())
    path = tmp_path / "export.ndjson.gz"
    path.write_bytes(packed)
    key = f"--key={LOG.verifier_key}"
    assert hesabu_verify.main([str(path), key]) == 0
    for content in (packed, text_of(export.records()).encode()):
        command = [sys.executable, str(PROGRAM), "-", key]
        run = subprocess.run(command, input=content, capture_output=True, check=False)
        assert (run.returncode, run.stderr) == (0, b"")


def test_statements_may_all_stand_in_front(export: Export, verify: Verify, tmp_path: Path) -> None:
    header, *lines = export.records()
    first = [line for line in lines if "checkpoint" in line]
    rest = [line for line in lines if "checkpoint" not in line]
    path = tmp_path / "export.ndjson"
    write(path, text_of([header, *first, *rest]))
    status, report = verify(path)
    assert (status, report["checkpoints"]) == (0, len(export.checkpoints))


def test_balances_may_come_in_several_lines_and_need_not_name_what_is_zero(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    shown = [line for line in export.balances if line["balance"]]
    assert 2 < len(shown) < len(export.balances)
    *lines, _balances, end = export.records()
    parts = [{"position": export.size, "balances": part} for part in (shown[:2], shown[2:])]
    path = tmp_path / "export.ndjson"
    write(path, text_of([*lines, *({"balances": part} for part in parts), end]))
    status, report = verify(path)
    assert (status, report["balances"]) == (0, len(export.balances))


def test_an_empty_log_can_be_checked(verify: Verify) -> None:
    empty = Export([], [])
    empty.checkpoints = {0: empty.note()}
    status, report = verify(empty)
    assert (status, report["covered"], report["checkpoints"]) == (0, 0, 1)


def test_what_is_after_the_newest_checkpoint_is_said_plainly(
    export: Export, verify: Verify
) -> None:
    del export.checkpoints[export.size]
    covered = max(export.checkpoints)
    status, report = verify(export)
    assert (status, report["covered"]) == (0, covered)
    [said] = report["not_checked"]
    assert said.startswith(f"events {covered + 1} to {export.size} are under no checkpoint")


def test_an_export_that_nobody_signed_is_not_good(export: Export, verify: Verify) -> None:
    export.checkpoints.clear()
    assert verify(export)[0] == 2


def test_kept_checkpoints_are_compared(export: Export, verify: Verify, tmp_path: Path) -> None:
    kept = [
        f"--checkpoint={write(tmp_path / str(size), export.note(size))}"
        for size in (1, 5, export.size)
    ]
    export.checkpoints.clear()
    status, report = verify(export, *kept)
    assert (status, report["checkpoints"], report["covered"]) == (0, 3, export.size)


def test_keys_are_rotated(export: Export, verify: Verify) -> None:
    half = export.size // 2
    for size in export.checkpoints:
        by = (LOG,) if size < half else (LOG, NEXT) if size < half + 7 else (NEXT,)
        export.checkpoints[size] = export.note(size, *by)
    assert verify(export, keys=(LOG.verifier_key, NEXT.verifier_key))[0] == 0
    status, report = verify(export, keys=(NEXT.verifier_key,))
    assert status == 1
    assert "not signed by a pinned key" in report["findings"][0]["what"]


def test_a_key_of_another_log_signs_nothing_here(export: Export, verify: Verify) -> None:
    other = signer("other.example/log", seed=5)
    export.checkpoints[export.size] = export.note(None, other)
    status, report = verify(export, keys=(LOG.verifier_key, other.verifier_key))
    assert status == 1
    assert "not signed by a pinned key of hesabu.example/log" in report["findings"][0]["what"]


def test_a_witness_has_to_have_cosigned_the_newest_checkpoint(
    export: Export, verify: Verify
) -> None:
    keys = (LOG.verifier_key, WITNESS.cosigner_key)
    status, report = verify(export, keys=keys)
    assert status == 1
    assert report["findings"][0]["what"].endswith("not cosigned by witness.example/w1")
    export.checkpoints[export.size] = export.cosigned()
    assert verify(export, keys=keys)[0] == 0
    assert verify(export)[0] == 0


def test_a_cosignature_of_an_older_checkpoint_is_not_of_the_newest(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    keys = (LOG.verifier_key, WITNESS.cosigner_key)
    older = max(size for size in export.checkpoints if size < export.size)
    export.checkpoints[older] = export.cosigned(older)
    status, report = verify(export, keys=keys)
    assert (status, report["checkpoints"]) == (1, len(export.checkpoints))
    kept = write(tmp_path / "kept", export.cosigned())
    assert verify(export, f"--checkpoint={kept}", keys=keys)[0] == 0


def test_a_witness_alone_is_not_the_log(export: Export, verify: Verify) -> None:
    assert verify(export, keys=(WITNESS.cosigner_key,))[0] == 2


@pytest.mark.parametrize("until", [1, 7, 20])
def test_it_can_be_read_up_to_a_position(export: Export, verify: Verify, until: int) -> None:
    export.checkpoints = {until: export.note(until), export.size: export.note()}
    status, report = verify(export, f"--until={until}")
    assert (status, report["events"], report["covered"]) == (0, until, until)


def test_what_is_beyond_the_position_is_said_plainly(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    kept = write(tmp_path / "kept", export.note())
    status, report = verify(export, "--until=14", f"--checkpoint={kept}")
    assert (status, report["covered"]) == (0, 14)
    assert report["not_checked"] == [f"your {kept} of position {export.size}: that was not reached"]


def test_balances_of_an_earlier_position_are_compared(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    earlier = export.copy()
    earlier.events = earlier.events[:20]
    earlier.recompute_sums()
    assert earlier.balances
    shown = write(tmp_path / "shown", earlier.balances_record())
    assert verify(export, f"--balances={shown}")[0] == 0
    earlier.balances[0]["balance"] += 1
    write(Path(shown), earlier.balances_record())
    status, report = verify(export, f"--balances={shown}")
    [finding] = report["findings"]
    assert (status, finding["position"]) == (1, 20)
    assert earlier.balances[0]["account"] in finding["what"]


def test_the_report_for_people_names_what_is_broken(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export.events[4].version = 9
    path = export.write(tmp_path / "export.ndjson")
    assert hesabu_verify.main([str(path), f"--key={LOG.verifier_key}"]) == 1
    report = capsys.readouterr().out
    event = export.events[4]
    named = f"position 5 ({event.topic} of stream {event.stream}): "
    assert "BROKEN: " in report
    assert report.partition("BROKEN: ")[2].splitlines()[1].strip().startswith(named)


def test_the_report_for_people_says_what_was_not_checked(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del export.checkpoints[export.size]
    path = export.write(tmp_path / "export.ndjson")
    assert hesabu_verify.main([str(path), f"--key={LOG.verifier_key}"]) == 0
    assert f"to {export.size} are under no checkpoint yet" in capsys.readouterr().out
    export.checkpoints.clear()
    export.write(path)
    assert hesabu_verify.main([str(path), f"--key={LOG.verifier_key}"]) == 2
    assert "UNUSABLE: no checkpoint was reached" in capsys.readouterr().out


def test_one_event_between_two_checkpoints_is_named_exactly(export: Export, verify: Verify) -> None:
    export.seal(1)
    event = export.events[16]
    event.rewrite(lambda state: state.update(actor="admin:nobody"))
    export.recompute()
    status, report = verify(export)
    [finding] = report["findings"]
    assert (status, finding["position"], finding["topic"]) == (1, 17, event.topic)
    assert finding["what"].startswith("this event is not what was signed")


def test_a_strangers_key_under_the_logs_name_is_not_the_logs(
    export: Export, verify: Verify
) -> None:
    export.checkpoints = {export.size: export.note(None, STRANGER)}
    status, report = verify(export)
    assert status == 1
    assert "not signed by a pinned key" in report["findings"][0]["what"]
    assert verify(export, keys=(STRANGER.verifier_key,))[0] == 0
