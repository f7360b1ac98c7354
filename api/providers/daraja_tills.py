"""`python -m api.providers.daraja_tills`: tell Daraja where money at the till is confirmed.

Once for each short code, with the settings that the processes have. Daraja keeps the addresses, and
in production changes them only by a request to Safaricom: so must HESABU_CALLBACKS_BEGIN_WITH and
HESABU_DARAJA_CALLBACK_SECRET stay.
"""

from __future__ import annotations

import asyncio
import sys

from api.providers.daraja import Daraja, configured
from api.providers.http_calls import UnansweredError, UnreachedError
from api.settings import Settings


async def register(adapter: Daraja) -> str | None:
    """Register; None when it is done, or the code of why it is not."""
    try:
        answer = await adapter.register_tills()
    except (UnreachedError, UnansweredError) as error:
        return str(error)
    finally:
        await adapter.close()
    if answer.is_success:
        return None
    return str(answer.document.get("errorCode", answer.status))


def main() -> int:
    """The command; its exit status."""
    adapter = configured(Settings())
    if adapter is None:
        sys.stderr.write("Daraja is not configured: set HESABU_DARAJA_*.\n")
        return 2
    refusal = asyncio.run(register(adapter))
    if refusal is not None:
        sys.stderr.write(f"Daraja did not take the addresses: {refusal}\n")
        return 1
    sys.stdout.write("Money at the till is confirmed from now on.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
