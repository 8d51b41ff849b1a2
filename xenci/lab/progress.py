"""What the lab tells a person while it works: one line when a step begins, one when it ends, why, and how long."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_BEGAN = time.monotonic()
_LOCK = threading.Lock()


def say(text: str, *, stream: TextIO | None = None) -> None:
    """Print one line with the seconds since the program began."""
    with _LOCK:
        print(f"[{time.monotonic() - _BEGAN:6.1f} s] {text}", file=stream or sys.stderr, flush=True)


@contextmanager
def step(what: str, *, beat: float = 20.0) -> Iterator[None]:
    """Say that a step begins, every `beat` seconds that it goes on, and how long it took or that it failed."""
    began = time.monotonic()
    ended = threading.Event()

    def heart() -> None:
        while not ended.wait(beat):
            say(f"  … {what}: {time.monotonic() - began:.0f} s so far")

    say(what)
    thread = threading.Thread(target=heart, daemon=True)
    thread.start()
    try:
        yield
    except BaseException as error:
        say(f"FAILED {what} after {time.monotonic() - began:.1f} s: {error}")
        raise
    finally:
        ended.set()
        thread.join()
    say(f"  done: {what}, {time.monotonic() - began:.1f} s")
