"""How QEMU runs the processors of an emulated machine: each in a thread of its own, or all in one.

Alone on two cores, a thread each is a tenth faster. Where others want the cores as well, one is faster by far: a
processor that waits for its turn with one of Xen's locks in its hand keeps the others spinning.
"""

import os

from xenci.errors import ConfigError

VARIABLE = "XENCI_LAB_THREADS"
#: what a recipe's machine.json says
MULTI = "thread=multi"


def threads() -> str:
    """Return `multi`, or `single` if XENCI_LAB_THREADS says so. Raises ConfigError for anything else."""
    chosen = os.environ.get(VARIABLE, "multi")
    if chosen not in ("multi", "single"):
        raise ConfigError(f"{VARIABLE} is {chosen!r}", remedy="name `multi` or `single`, or unset it")
    return chosen
