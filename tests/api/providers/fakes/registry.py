"""Every provider that the contract is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.api.providers.fakes.airtel import FakeAirtel
from tests.api.providers.fakes.daraja import FakeDaraja
from tests.api.providers.fakes.flutterwave import FakeFlutterwave
from tests.api.providers.fakes.momo import FakeMomo
from tests.api.providers.fakes.paystack import FakePaystack
from tests.api.providers.fakes.sandbox import FakeSandbox
from tests.api.providers.fakes.stripe import FakeStripe

if TYPE_CHECKING:
    from tests.api.providers.fake import FakeProvider

FAKES: Final[tuple[type[FakeProvider], ...]] = (
    FakeAirtel,
    FakeDaraja,
    FakeFlutterwave,
    FakeMomo,
    FakePaystack,
    FakeSandbox,
    FakeStripe,
)
