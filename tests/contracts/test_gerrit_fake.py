"""The fake Gerrit keeps the contract, so that what is tested on it holds on a real one."""

from collections.abc import Mapping

import pytest

from tests.contracts.fake_gerrit import FakeGerrit
from tests.contracts.gerrit_contract import RestContract, Site, StreamContract
from xenci.gerrit.failures import GerritDown, WrongPassword


class FakePeople:
    def __init__(self, gerrit: FakeGerrit) -> None:
        self.gerrit = gerrit

    def push(self, number: int | None = None) -> tuple[int, str]:
        patchset = self.gerrit.push(number=number)
        return patchset.change, patchset.sha

    def comment(self, number: int, text: str, patchset_level: bool) -> None:
        self.gerrit.comment(number, text, patchset_level=patchset_level)

    def abandon(self, number: int) -> None:
        self.gerrit.end(number, "ABANDONED")

    def votes(self, number: int) -> Mapping[str, int]:
        return self.gerrit.changes[number].votes


@pytest.fixture
def site() -> Site:
    ours, refused, silent = FakeGerrit(), FakeGerrit(), FakeGerrit()
    refused.down = WrongPassword("ci", remedy="look at the password")
    silent.down = GerritDown("refused")
    return Site(rest=ours, refused=refused, silent=silent, stream=ours.stream, people=FakePeople(ours))


class TestFakeRest(RestContract):
    pass


class TestFakeStream(StreamContract):
    pass
