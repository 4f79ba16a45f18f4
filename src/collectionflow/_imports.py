"""What is imported is no garbage: Python need not look through it.

Dagster, Pandera and Polars make some hundred thousand objects that live as long as the process.
Python's collector passes over them again and again while they are read, and at the end: that took
each process 0.4 s of CPU time. Importing this module holds it back until `settle` is called.
"""

import gc
from typing import Final

_WAS_ENABLED: Final = gc.isenabled()
gc.disable()


def settle() -> None:
    """Have the collector pass over what there is now, and work on as it did."""
    gc.freeze()
    if _WAS_ENABLED:
        gc.enable()
