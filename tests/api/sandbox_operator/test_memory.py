"""What the sandbox operator remembers of refunds, payouts and payments is bounded."""

from __future__ import annotations

import pytest

from api.sandbox_operator.errors import MemoryFull
from api.sandbox_operator.memory import Memory


def test_the_thing_that_finished_first_is_forgotten_for_a_new_one() -> None:
    memory: Memory[int] = Memory(kept_max=3)
    for number, key in enumerate(("open", "first", "second")):
        memory.accept(key, number)
    memory.finish("second")
    memory.finish("first")
    memory.accept("new", 3)
    assert [memory.get(key) for key in ("open", "first", "second", "new")] == [0, 1, None, 3]


def test_nothing_is_accepted_while_everything_is_open() -> None:
    memory: Memory[int] = Memory(kept_max=1)
    memory.accept("open", 0)
    with pytest.raises(MemoryFull):
        memory.accept("new", 1)
    assert (memory.get("open"), memory.get("new")) == (0, None)


def test_a_forgotten_key_can_be_accepted_again() -> None:
    memory: Memory[int] = Memory(kept_max=1)
    for number in range(3):
        memory.accept("key" if number % 2 == 0 else "other", number)
        memory.finish("key" if number % 2 == 0 else "other")
    assert (memory.get("key"), memory.get("other")) == (2, None)
