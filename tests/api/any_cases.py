"""Requests made from the OpenAPI document alone, right and wrong ones, by schemathesis."""

from __future__ import annotations

from copy import deepcopy
from itertools import cycle, islice
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tests.api.documentation import Operation

if TYPE_CHECKING:
    from schemathesis import BaseSchema

    from tests.api.documentation import Documentation

    AnyOperation: TypeAlias = schemathesis.APIOperation[Any, Any, Any, Any]
    AnyCase: TypeAlias = schemathesis.Case[AnyOperation]

MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


class Cases:
    """Makes cases for the operations of a document; the same ones for the same seed."""

    def __init__(self, documentation: Documentation, seed: int) -> None:
        self._schema: BaseSchema = schemathesis.openapi.from_dict(_without_tokens(documentation))
        self._seed = seed
        self._operations: dict[Operation, AnyOperation] = {}
        for result in self._schema.get_all_operations():
            assert isinstance(result, Ok)
            found = result.ok()
            self._operations[Operation(found.method.upper(), found.path)] = found

    def of(self, operation: Operation, count: int) -> list[AnyCase]:
        """So many: a quarter at the edges of the schema, half as it says, a quarter against it."""
        found = self._operations[operation]
        shuffle = Random(f"{self._seed} {operation}")
        edges = self._edges(found)
        shuffle.shuffle(edges)
        against = self._fuzzed(found, GenerationMode.NEGATIVE, count // 4)
        cases = edges[: count // 4] + against
        cases += self._fuzzed(found, GenerationMode.POSITIVE, count - len(cases))
        shuffle.shuffle(cases)
        # Where nothing is asked, there are not many ways to ask.
        return list(islice(cycle(cases), count))

    def _edges(self, operation: AnyOperation) -> list[AnyCase]:
        generation = self._schema.config.generation_for(operation=operation)
        edges = self._schema.iter_coverage_cases(
            operation, generation_modes=list(MODES), generation_config=generation
        )
        found = list(edges)
        by_its_method = [case for case in found if case.method == operation.method.upper()]
        # Of the methods that a path does not have, one will do.
        by_another = [case for case in found if case.method != operation.method.upper()]
        return by_its_method + by_another[:1]

    def _fuzzed(self, operation: AnyOperation, mode: GenerationMode, count: int) -> list[AnyCase]:
        cases: list[AnyCase] = []

        @hypothesis.seed(self._seed)
        @hypothesis.settings(
            max_examples=count,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(operation.as_strategy(generation_mode=mode))
        def collect(case: AnyCase) -> None:
            cases.append(case)

        try:
            collect()
        except Unsatisfiable:
            # A route without a parameter cannot be asked wrongly.
            assert mode is GenerationMode.NEGATIVE
        return cases


def _without_tokens(documentation: Documentation) -> dict[str, Any]:
    """The document, but who asks is not for it to make up."""
    document: dict[str, Any] = deepcopy(documentation.document)
    for methods in document["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    return document
