"""All providers at once: their fakes, an API process and a dispatcher that know them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.providers.fakes.registry import FAKES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import Deployment
    from tests.api.providers.fake import FakeProvider

SETTINGS = {
    "PROVIDER_TIMEOUT_SECONDS": "2",
    "SUBMISSION_MARGIN_SECONDS": "1",
    # Longer than all but a late payment take, and shorter than that.
    "PAYMENT_EXPIRY_SECONDS": "7",
    "DESTINATION_COOLING_SECONDS": "0",
    "STATUS_QUERY_SECONDS": "0.5",
}


@pytest.fixture(scope="session")
def fakes() -> Iterator[dict[str, FakeProvider]]:
    """Every provider's server."""
    servers = {fake.name: fake() for fake in FAKES}
    for server in servers.values():
        server.start()
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def platform(
    deploy: Callable[..., Deployment], fakes: dict[str, FakeProvider]
) -> Iterator[Deployment]:
    """A platform that all these providers serve."""
    settings = dict(SETTINGS)
    for fake in fakes.values():
        settings |= fake.settings()
    deployment = deploy(**settings).add_apis(1)
    with deployment.add_dispatchers(1) as running:
        for fake in fakes.values():
            fake.callbacks_begin_with = f"{running.api.url}/api/v1/webhooks"
        yield running


@pytest.fixture(params=[fake.name for fake in FAKES])
def fake(request: pytest.FixtureRequest, fakes: dict[str, FakeProvider]) -> FakeProvider:
    """Each provider in turn."""
    return fakes[request.param]
