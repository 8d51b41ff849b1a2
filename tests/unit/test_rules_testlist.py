"""A job's list against what its run showed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.model.tests import TestResult, TestStatus
from xenci.rules.testlist import cause, compare, fixture_class, is_test
from xenci.tempest.follower import Follower

DATA = Path(__file__).parent.parent / "data" / "subunit"
AT = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
CLASS = "tempest.api.compute.test_a.ATest"


def result(id: str, status: str = "success") -> TestResult:
    return TestResult(id=id, status=TestStatus(status), started_at=AT, finished_at=AT)


def recorded(name: str) -> list[TestResult]:
    return Follower().feed((DATA / f"{name}.subunit").read_bytes())


def test_tests_belong_to_the_tests_classes_and_modules_that_name_them() -> None:
    names = [f"{CLASS}.test_x", CLASS, "tempest.api.compute.test_a", "tempest.api.compute.test_ab", CLASS[:-1]]
    seen = f"{CLASS}.test_x[id-1,smoke]"
    compared = compare(names, [result(seen)])
    assert [entry.seen for entry in compared.entries] == [(seen,), (seen,), (seen,), (), ()]
    assert compared.never_started == ("tempest.api.compute.test_ab", CLASS[:-1])
    assert compared.strays == ()


def test_a_failed_set_up_is_the_end_of_every_entry_within_its_class() -> None:
    names = [CLASS, f"{CLASS}.test_x", "tempest.api.compute.test_b"]
    compared = compare(names, [result(f"setUpClass ({CLASS})", "fail")])
    assert compared.never_started == ("tempest.api.compute.test_b",)
    assert compared.executed == (f"setUpClass ({CLASS})",)
    assert compared.is_nothing_executed


def test_a_class_that_was_skipped_as_a_whole_is_skipped() -> None:
    compared = compare([CLASS], [result(f"setUpClass ({CLASS})", "skip")])
    assert compared.skipped == (f"setUpClass ({CLASS})",)
    assert compared.never_started == ()
    assert compared.is_nothing_executed


def test_an_ended_test_is_not_unfinished_and_the_last_result_counts() -> None:
    compared = compare([CLASS], [result(f"{CLASS}.test_x", "inprogress"), result(f"{CLASS}.test_x", "fail")])
    assert compared.unfinished == ()
    assert compared.executed == (f"{CLASS}.test_x",)
    assert compared.hanging is None


def test_the_test_that_began_last_is_the_one_that_hangs() -> None:
    compared = compare([CLASS], [result(f"{CLASS}.test_{n}", "inprogress") for n in "ab"])
    assert compared.hanging == f"{CLASS}.test_b"
    assert compared.is_nothing_executed


def test_a_name_that_python_cannot_import_is_not_loaded() -> None:
    failed = result("unittest.loader._FailedTest.test_gone", "fail")
    compared = compare(["tempest.api.test_gone.T", CLASS], [failed, result(f"{CLASS}.test_x")])
    assert compared.not_loaded == ("tempest.api.test_gone.T",)
    assert compared.never_started == ()
    assert compared.strays == ()


def test_a_test_that_nobody_asked_for_is_a_stray() -> None:
    assert compare([CLASS], [result("other.T.test")]).strays == ("other.T.test",)


def test_an_empty_run_executed_nothing() -> None:
    compared = compare([CLASS, CLASS], [])
    assert compared.never_started == (CLASS,)
    assert compared.is_nothing_executed


def test_a_recorded_bad_run_says_what_never_started() -> None:
    names = ["tempest.api.compute.flavors", "tempest.api.compute.servers.test_create_server.ServersTestJSON"]
    compared = compare(names, recorded("xen417-nova31-bad"))
    assert len(compared.executed) == 7
    assert compared.never_started == ()
    assert not compared.is_nothing_executed


def test_a_recorded_run_that_was_cut_names_the_test_that_was_at_work() -> None:
    compared = compare(["tempest.api.compute"], recorded("xen417-nova31-good-cut"))
    assert compared.hanging is not None
    assert compared.hanging.split("[")[0].endswith("ServerActionsTestJSON.test_get_console_output")
    assert (len(compared.executed), len(compared.skipped), compared.strays) == (36, 2, ())


NAMES = st.lists(st.sampled_from(["a", "b", "T", "test_x"]), min_size=1, max_size=4).map(".".join)
IDS = st.one_of(NAMES, NAMES.map(lambda name: f"setUpClass ({name})"), NAMES.map(lambda name: f"{name}[id-1,smoke]"))


@given(st.lists(NAMES), st.lists(st.tuples(IDS, st.sampled_from([str(status) for status in TestStatus]))))
def test_every_seen_test_is_somewhere_exactly_once(names: list[str], seen: list[tuple[str, str]]) -> None:
    compared = compare(names, [result(*pair) for pair in seen])
    sorted_out = [*compared.executed, *compared.skipped, *compared.unfinished]
    assert sorted(sorted_out) == sorted({id for id, _ in seen})
    claimed = {test for entry in compared.entries for test in entry.seen}
    assert claimed | set(compared.strays) == set(sorted_out)
    assert not claimed & set(compared.strays)
    assert {e.name for e in compared.entries if not e.seen} == {*compared.never_started, *compared.not_loaded}


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("", ""),
        ("only words\n\n", "only words"),
        ('Traceback (most recent call last):\n  File "a", line 1\nValueError: no\n', "ValueError: no"),
        (
            'Traceback (most recent call last):\n  File "a"\nKeyError: 1\n\nDuring ..:\n\n'
            'Traceback (most recent call last):\n  File "b"\n    x\nlib.Fault: it\nDetails: more\n',
            "lib.Fault: it",
        ),
        ("Traceback (most recent call last):\n  File cut", "File cut"),
    ],
)
def test_the_cause_is_what_was_raised_last(detail: str, said: str) -> None:
    assert cause(detail) == said


def test_the_cause_of_the_recorded_failure_is_found() -> None:
    failed = next(result for result in recorded("xen417-nova31-bad") if result.is_failure)
    assert cause(failed.detail).startswith("tempest.exceptions.BuildErrorException: Server ")
    assert fixture_class(failed.id) == "tempest.api.compute.servers.test_create_server.ServersTestJSON"
    assert not is_test(failed.id)
    assert fixture_class(f"{CLASS}.test_x") is None
