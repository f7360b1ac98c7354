"""What time it is by a clock that runs fast, and who may have one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner

from api.cli import app
from api.clock_pace import LATE_MAX, Outlook, Pace
from api.database import book_time
from api.settings import Environment, Settings
from ledger.book_time import DatabaseTime, RatchetingTime
from ledger.recorder import Head
from tests.api.clock_scenes import RealTime
from tests.builders import NOON

if TYPE_CHECKING:
    from pathlib import Path

DAY: Final = timedelta(days=1)
DAY_A_SECOND: Final = 86_400


@pytest.fixture
def real() -> RealTime:
    return RealTime()


# What time it is by a pace.


def outlook(
    now: datetime,
    *,
    recorded_at: datetime = NOON,
    prompt: bool = False,
    last: timedelta = 365 * DAY,
) -> Outlook:
    return Outlook(Head(1, recorded_at, now), prompt, NOON + last)


def test_time_passes_so_many_times_as_fast_from_the_book_s_time(real: RealTime) -> None:
    pace = Pace(DAY_A_SECOND, monotonic=real)
    assert pace.advance(outlook(NOON)) == NOON
    real.now += 2
    assert pace.advance(outlook(NOON + timedelta(seconds=2))) == NOON + 2 * DAY
    real.now += 0.5
    assert pace.advance(outlook(NOON + timedelta(seconds=2.5))) == NOON + 2.5 * DAY


def test_at_the_speed_of_one_it_is_the_book_s_time(real: RealTime) -> None:
    pace = Pace(monotonic=real)
    ahead = 30 * DAY
    for seconds in range(5):
        now = NOON + timedelta(seconds=seconds)
        found = pace.advance(outlook(now, recorded_at=NOON + ahead))
        assert found == now + ahead
        real.now += 1


def test_it_goes_on_from_what_others_have_recorded(real: RealTime) -> None:
    pace = Pace(DAY_A_SECOND, monotonic=real)
    pace.advance(outlook(NOON))
    real.now += 1
    assert pace.advance(outlook(NOON, recorded_at=NOON + 9 * DAY)) == NOON + 9 * DAY
    real.now += 1
    assert pace.advance(outlook(NOON, recorded_at=NOON + 9 * DAY)) == NOON + 10 * DAY


def test_a_prompt_brings_it_back_to_the_book_s_time(real: RealTime) -> None:
    pace = Pace(DAY_A_SECOND, monotonic=real)
    pace.advance(outlook(NOON))
    later = NOON + timedelta(seconds=20)
    for seconds in range(20):
        real.now += 1
        pace.advance(outlook(NOON + timedelta(seconds=seconds)))
    assert pace.advance(outlook(later, prompt=True)) == later
    real.now += 1
    assert pace.advance(outlook(later)) == later + DAY


def test_it_does_not_run_ahead_of_the_last_thing_that_is_known(real: RealTime) -> None:
    pace = Pace(DAY_A_SECOND, monotonic=real)
    pace.advance(outlook(NOON))
    real.now += 100
    assert pace.advance(outlook(NOON, last=7 * DAY)) == NOON + 7 * DAY
    assert pace.advance(Outlook(Head(1, NOON, NOON), False, None)) == NOON


def test_what_is_known_late_is_late_by_hours_at_most_or_a_round(real: RealTime) -> None:
    pace = Pace(DAY_A_SECOND, monotonic=real)
    pace.advance(outlook(NOON))
    real.now += 100
    pace.advance(outlook(NOON))
    assert pace.settle(NOON + 99.9 * DAY) == NOON + 100 * DAY
    assert pace.settle(NOON + 3 * DAY) == NOON + 3 * DAY + LATE_MAX
    # What was due before the book's time is done at that.
    assert pace.settle(NOON - DAY) == NOON
    slow = Pace(3_600, monotonic=real)
    slow.advance(outlook(NOON))
    real.now += 100
    slow.advance(outlook(NOON))
    assert slow.settle(NOON + DAY) == NOON + DAY + timedelta(minutes=30)


def test_a_turn_is_recorded_at_the_time_of_the_round_or_after_others(real: RealTime) -> None:
    pace = Pace(DAY_A_SECOND, monotonic=real)
    pace.advance(outlook(NOON))
    real.now += 1
    pace.advance(outlook(NOON))
    real.now += 5
    assert pace.now(Head(2, NOON, NOON)) == NOON + DAY
    assert pace.now(Head(3, NOON + 2 * DAY, NOON)) == NOON + 2 * DAY


# Who may.


def test_only_development_lets_time_run_ahead(tmp_path: Path) -> None:
    assert isinstance(book_time(Settings()), DatabaseTime)
    assert isinstance(book_time(Settings(time_may_run_ahead=True)), RatchetingTime)
    with pytest.raises(ValidationError, match="HESABU_TIME_MAY_RUN_AHEAD is not for production"):
        Settings(
            environment=Environment.PRODUCTION,
            key_set_file=tmp_path / "keys.json",
            DATABASE_URL=SecretStr("postgresql://localhost/hesabu"),
            time_may_run_ahead=True,
        )


def test_a_clock_runs_fast_only_where_time_may_run_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HESABU_TIME_MAY_RUN_AHEAD", raising=False)
    monkeypatch.setenv("HESABU_DATA_DIRECTORY", str(tmp_path))
    refused = CliRunner().invoke(app, ["clock", "--speed", "2"])
    assert refused.exit_code == 2
    assert refused.stderr == "Not starting: --speed needs HESABU_TIME_MAY_RUN_AHEAD\n"
    for speed in ("0", "-1", "1.5", "1000001"):
        assert CliRunner().invoke(app, ["clock", "--speed", speed]).exit_code == 2
