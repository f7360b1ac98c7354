"""Every body and every answer in the OpenAPI document has an example, and each is a right one."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
from typing import TYPE_CHECKING, Any, get_args

import phonenumbers
import pytest
from fastapi.routing import APIRoute
from jsonschema_rs import Draft202012Validator

import api
import ledger
import projections
from api.error_catalogue import DOORS, kinds, template_of
from api.error_page import error_page
from api.errors import DoorCode, status_of
from api.examples import Examples, contents
from ledger.errors import LedgerError
from tests.api.leaks import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tests.api.documentation import Documentation

WITHOUT = {"application/pdf"}
"""What cannot be shown as text."""


@pytest.fixture(scope="module")
def document(documentation: Documentation) -> dict[str, Any]:
    """The document of this code."""
    return documentation.document


def _shown(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], list[Any]]]:
    """Where it is, the description of a content, and its examples."""
    for content, where in contents(document):
        for media_type, described in content.items():
            if media_type in WITHOUT:
                continue
            found = [described["example"]] if "example" in described else []
            for code, example in described.get("examples", {}).items():
                assert example == {"$ref": f"#/components/examples/{code}"}
                found.append(document["components"]["examples"][code]["value"])
            yield f"{where} {media_type}", described, found


def test_every_body_and_every_answer_has_an_example(document: dict[str, Any]) -> None:
    shown = list(_shown(document))
    assert [where for where, _, found in shown if not found] == []
    assert len(shown) > len(document["paths"])


def test_every_example_is_valid_against_its_schema(document: dict[str, Any]) -> None:
    wrong = []
    for where, described, found in _shown(document):
        if "schema" not in described:
            continue
        whole = {**described["schema"], "components": document["components"]}
        validator = Draft202012Validator(whole, validate_formats=True)
        wrong += [
            f"{where} {'.'.join(map(str, error.instance_path))}: {error.message}"
            for example in found
            for error in validator.iter_errors(example)
        ]
    assert wrong == []


def test_an_example_of_a_body_passes_what_no_schema_can_say(document: dict[str, Any]) -> None:
    """The models check more than their schemas do: each example is read as a request would be."""
    read = 0
    for route in _routes():
        if route.body_field is None:
            continue
        path = route.path if route.path.startswith("/pay/") else f"/api/v1{route.path}"
        (method,) = route.methods or {"none"}
        body = document["paths"][path][method.lower()]["requestBody"]["content"]
        _, wrong = route.body_field.validate(body["application/json"]["example"], {}, loc=())
        assert not wrong, (path, wrong)
        read += 1
    assert read > 40


def _routes() -> Iterator[APIRoute]:
    """Every route of every router."""
    package = importlib.import_module("api.routers")
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"api.routers.{found.name}")
        for route in getattr(getattr(module, "routes", None), "routes", ()):
            assert isinstance(route, APIRoute)
            yield route


def test_of_every_field_somebody_has_said_what_may_stand_in_it(document: dict[str, Any]) -> None:
    examples = Examples(document["components"]["schemas"])
    for where, described, _ in _shown(document):
        # An error's are its own, by code.
        if where.endswith("application/json") and "example" in described:
            examples.of(described["schema"])
    assert examples.invented == set()


def test_a_field_of_which_nothing_is_known_is_noticed() -> None:
    """The negative control."""
    model = {"properties": {"zq": {"type": "string"}, "money": {"$ref": "#/components/schemas/M"}}}
    money = {"properties": {"amount": {"type": "integer"}, "zz": {"type": "integer"}}}
    examples = Examples({"M": money})
    assert examples.of(model) == {"zq": ".zq", "money": {"amount": 125_000, "zz": 1}}
    assert examples.invented == {".zq", "M.zz"}


def test_no_example_names_anybody(document: dict[str, Any]) -> None:
    text = json.dumps([found for _, _, found in _shown(document)], ensure_ascii=False)
    assert not PERSONAL.search(text)
    numbers = {match.raw_string for match in phonenumbers.PhoneNumberMatcher(text, None)}
    # 555-0100 to 555-0199 are kept for fiction.
    assert numbers
    assert {number[:10] for number in numbers} == {"+120255501"}


def _modules() -> Iterator[ModuleType]:
    for package in (api, ledger, projections):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".migrations" not in found.name:
                yield importlib.import_module(found.name)


def test_every_error_of_the_ledger_is_on_the_page(document: dict[str, Any]) -> None:
    page, declared = error_page(document), set[type[LedgerError]]()
    for module in _modules():
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, LedgerError):
                declared.add(value)
    assert len(declared) > 80
    for kind in declared:
        assert f"| `{kind.code}` | {status_of(kind)} | {template_of(kind)} |" in page, kind


def test_every_error_of_a_door_is_on_the_page_with_the_status_that_it_is_raised_with(
    document: dict[str, Any],
) -> None:
    page, raised = error_page(document), set[tuple[int, str]]()
    for module in _modules():
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            match node:
                case ast.Call(
                    func=ast.Name(id="ApiError"),
                    args=[ast.Constant(value=int(status)), ast.Constant(value=str(code)), *_],
                ):
                    raised.add((status, code))
                case ast.Call(
                    func=ast.Name(id="error_response"),
                    args=[_, ast.Constant(value=int(status)), ast.Constant(value=str(code)), *_],
                ):
                    raised.add((status, code))
                case _:
                    pass
    assert len(raised) > 10
    for status, code in raised:
        assert f"| `{code}` | {status} |" in page, code
    assert set(get_args(DoorCode)) == set(DOORS)


def test_a_code_means_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    for kind in kinds():
        statuses.setdefault(kind.code, set()).add(status_of(kind))
    for code, door in DOORS.items():
        statuses.setdefault(code, set()).add(door.status)
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}
