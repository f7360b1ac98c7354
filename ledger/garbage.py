"""Python's cyclic garbage collector in a process that runs for weeks.

Nearly everything here is freed by reference counts. With its defaults the collector runs every few
hundred new objects and looks at all that ever survived, which took a quarter of a busy writer's
time, to find nothing.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS_MAX: Final = 50_000
"""New containers (about 10 MB of them) before the young are looked at; a turn makes some 10,000."""

YOUNG_COLLECTIONS_MAX: Final = 20
MIDDLE_COLLECTIONS_MAX: Final = 50


def tune_garbage_collection() -> None:
    """Collect seldom, and never look again at what is alive now.

    A process calls it once, when it has imported and wired everything and begins to serve.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, YOUNG_COLLECTIONS_MAX, MIDDLE_COLLECTIONS_MAX)
