"""Hesabu as it is run: real processes on an own database of this process's server.

Starting a process costs seconds, so most tests share one of two deployments: `doors`, where
nothing happens but what a test asks for, and `stories`, where an operator and a dispatcher work
too. Whoever kills or counts has a deployment of their own by `deploy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.app import create_app
from api.settings import Settings
from tests.api.deployment import Deployment
from tests.api.documentation import Documentation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from tests.databases import Databases


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The application as it is wired, not started: what it declares can be read from it."""
    return create_app(Settings(data_directory=tmp_path_factory.mktemp("app")))


@pytest.fixture(scope="session")
def documentation(app: FastAPI) -> Documentation:
    """The OpenAPI document, against which every answer in these tests is held."""
    return Documentation(app.openapi())


@pytest.fixture(scope="session")
def deploy(
    databases: Databases, documentation: Documentation, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Deployment]:
    """Make a deployment on a new database; it starts with `with`. Settings as keywords."""

    def make(**settings: str) -> Deployment:
        directory = tmp_path_factory.mktemp("deployment")
        return Deployment(databases.create(), directory, documentation, **settings)

    return make


@pytest.fixture(scope="session")
def doors(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Two API processes, and nothing that acts by itself."""
    # A day is too long to wait for a destination to cool.
    with deploy(DESTINATION_COOLING_SECONDS="0").add_apis(2) as running:
        yield running


@pytest.fixture(scope="session")
def stories(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Everything: an API process, the operator, a dispatcher; payments expire after ten seconds."""
    settings = {
        "PAYMENT_EXPIRY_SECONDS": "10",
        # Callbacks are quicker than both of these, also on a busy machine.
        "PROVIDER_TIMEOUT_SECONDS": "3",
        "STATUS_QUERY_SECONDS": "3",
        "SUBMISSION_MARGIN_SECONDS": "1",
    }
    with (
        deploy(**settings).add_operator(HANG_SECONDS="6").add_apis(1).add_dispatchers(1) as running
    ):
        yield running
