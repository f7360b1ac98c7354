"""What the sandbox operator remembers is bounded."""

from __future__ import annotations

import pytest

from api.sandbox_operator.errors import OperatorBusy
from api.sandbox_operator.prompts import Prompt, Prompts
from api.sandbox_operator.wire import PromptRequest


def prompt(reference: str) -> Prompt:
    request = PromptRequest(
        reference=reference, phone="+254700000000", amount="1250.00", currency="KES"
    )
    return Prompt.of(request)


def test_the_oldest_finished_prompt_is_forgotten_for_a_new_one() -> None:
    prompts = Prompts(kept_max=3)
    kept, first, second = prompt("open"), prompt("first"), prompt("second")
    for each in (kept, first, second):
        prompts.accept(each)
    prompts.finish(second)
    prompts.finish(first)
    prompts.accept(prompt("new"))
    assert prompts.counts() == {"open": 1, "first": 1, "new": 1}
    assert prompts.latest("second") is None


def test_a_forgotten_prompt_leaves_the_later_one_of_its_reference() -> None:
    prompts = Prompts(kept_max=2)
    earlier, later = prompt("same"), prompt("same")
    prompts.accept(earlier)
    prompts.accept(later)
    prompts.finish(earlier)
    prompts.accept(prompt("new"))
    assert prompts.latest("same") is later
    assert prompts.counts("same") == {"same": 1}


def test_a_prompt_is_refused_while_all_others_are_open() -> None:
    prompts = Prompts(kept_max=1)
    prompts.accept(prompt("open"))
    with pytest.raises(OperatorBusy):
        prompts.accept(prompt("new"))
    assert prompts.counts() == {"open": 1}
