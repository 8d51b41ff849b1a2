"""The first boot: how long a machine is waited for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from xenci.lab.images.machine import Machine
from xenci.lab.images.qemu import NoAnswer
from xenci.lab.images.warm import _comes_up


class Answering:
    """An agent that answers, for as long as nobody asks anything."""

    def __exit__(self, *why: object) -> None:
        return


@dataclass
class Booting:
    """A machine whose agent answers at the n-th call; each call costs it so much processor time."""

    answers_at: int
    costs: float = 10.0
    ends_at: int = 1000
    calls: int = 0
    cpu_seconds: float = field(default=0.0)

    @property
    def lives(self) -> bool:
        return self.calls < self.ends_at

    def agent(self, seconds: float) -> Answering:
        self.calls += 1
        self.cpu_seconds += self.costs
        if self.calls < self.answers_at:
            raise NoAnswer("the agent is silent")
        return Answering()


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the clock cost 20 s."""

    def clock() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += 20

    times = clock()
    monkeypatch.setattr("xenci.lab.images.warm.time", SimpleNamespace(monotonic=lambda: next(times)))


@pytest.mark.parametrize(
    ("machine", "comes_up", "calls"),
    [
        (Booting(answers_at=1), True, 1),
        (Booting(answers_at=9), True, 9),
        (Booting(answers_at=99), False, 10),  # 100 s of processor time are used up
        (Booting(answers_at=99, ends_at=3), False, 3),  # it ended
        (Booting(answers_at=999, costs=0.01), False, 50),  # it stands still: given up after 1000 s
    ],
)
def test_a_boot_is_given_the_processor_time_it_needs_and_no_more(machine: Booting, comes_up: bool, calls: int) -> None:
    assert _comes_up(cast(Machine, machine), 100) is comes_up
    assert machine.calls == calls
