"""The comment, word by word in files, and read by Gerrit's results tab whatever is in it.

`XENCI_SNAPSHOTS=write pytest tests/unit/test_rules_message.py` writes the files anew; read the difference.
"""

import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.model.outcome import Fault, Result
from xenci.rules.message import (
    MOST_BUILDS,
    BuildLine,
    FailedTest,
    MessageFacts,
    Versions,
    comment,
    duration,
    header,
    row,
    tag,
)
from xenci.rules.recheck import recheck_request
from xenci.rules.results_tab import KNOWN, Row, Shown, is_readable, show

SNAPSHOTS = Path(__file__).parents[1] / "data" / "messages"
NAME = "Xen Project CI"
CARRY = (
    "libvirt: Cope with gaps in libvirt drivers other than QEMU's",
    "libvirt: Add the xen virt_type and describe Xen hosts",
    "libvirt: Boot paravirtualized and fully virtualized guests on Xen",
    "libvirt: Live migrate guests on Xen with shared storage",
)
BUILD = BuildLine(
    job="xen-tempest",
    url="https://xenci.example.org/build/3f9a0c5e",
    result=Result.SUCCESS,
    duration=timedelta(hours=2, minutes=3, seconds=4),
)
GOOD = MessageFacts(
    pipeline="check",
    builds=(BUILD,),
    fault=Fault.NONE,
    reasons=("37 tests passed, 2 skipped.",),
    versions=Versions(
        patchset="901234,5",
        branch="stable/2025.1",
        tip_sha="94dd7eda80c24370badd05887ab3937a243c4771",
        merged_sha="3188db6691d12a0d610c0253a48c56038efec381",
        carry=CARRY,
    ),
    contact="https://wiki.openstack.org/wiki/ThirdPartySystems/Xen_Project_CI",
    buildset_url="https://xenci.example.org/buildset/8c1d",
)
BOOT = "tempest.api.compute.servers.test_create_server.ServersTestJSON.test_verify_server_details[id-5de47127]"
FAILED = FailedTest(id=BOOT, url=f"{BUILD.url}?test=5de47127#t", note="passes on the tip")
BAD = replace(
    GOOD,
    builds=(replace(BUILD, result=Result.FAILURE, duration=timedelta(minutes=22, seconds=9), failed=(FAILED,)),),
    fault=Fault.CHANGE,
    reasons=(f"1 test fails with this change, again when run alone, and not on the tip on the same node: {BOOT}.",),
)
UNKNOWN = replace(
    BAD,
    fault=Fault.UNKNOWN,
    builds=(replace(BAD.builds[0], failed=(replace(FAILED, note="passed when run again"),)),),
    reasons=(f"1 test fails once, but not when run again alone: {BOOT}.",),
)
LOST = replace(
    GOOD,
    builds=(replace(BUILD, result=Result.RETRY_LIMIT),),
    fault=Fault.INFRA,
    reasons=("All 3 attempts ended by our own fault.", "The node has not answered for 10 min."),
)
LATE = replace(
    GOOD,
    builds=(replace(BUILD, result=Result.TIMED_OUT),),
    fault=Fault.UNKNOWN,
    reasons=("Tempest passed its deadline.", f"1 test was unfinished: {BOOT}."),
)
TWO_JOBS = replace(
    GOOD,
    builds=(
        BUILD,
        replace(BUILD, job="xen-pvh", result=Result.ERROR, duration=timedelta(seconds=5)),
        replace(BUILD, job="xen-migration", result=Result.NOT_APPLICABLE),
    ),
    fault=Fault.INFRA,
    reasons=("xen-pvh: Nova left no proof of the tree that it runs from.",),
    versions=replace(GOOD.versions, carry=()) if GOOD.versions else None,
)
KNOWN_OR_NEW = replace(
    BAD,
    builds=(
        replace(
            BAD.builds[0],
            failed=(
                replace(FAILED, note="passes on the tip; new: passed with 12 other changes in 7 days"),
                FailedTest(
                    id="tempest.api.compute.test_quotas.QuotasTestJSON.test_get_quotas[id-f2ef0a97]",
                    url=f"{BUILD.url}/tests#t1201",
                    note="fails on the tip too; known: failed with 3 other changes in 7 days",
                ),
            ),
        ),
    ),
)
NO_NOVA = replace(
    GOOD,
    builds=(replace(BUILD, result=Result.FAILURE, duration=timedelta(minutes=6, seconds=2)),),
    fault=Fault.CHANGE,
    reasons=("Nova does not start from the change, and it does from the tip, where a guest boots on the same node.",),
)
NOOP = replace(
    GOOD,
    builds=(replace(BUILD, job="noop", duration=timedelta()),),
    reasons=("Nothing was run: this job only tries the way from Gerrit and back.",),
    versions=None,
)
TAKEN_OVER = replace(
    GOOD,
    reasons=("Patch set 6 changes no code: the verdict on patch set 5 is taken over.", *GOOD.reasons),
    buildset_url="https://xenci.example.org/buildset/9d2e",
)
NOT_COLLECTED = replace(
    GOOD,
    builds=(replace(BUILD, result=Result.POST_FAILURE),),
    fault=Fault.INFRA,
    reasons=("The tests ran, but the logs could not be fetched: the node did not answer.",),
)
CASES = {
    "good": GOOD,
    "bad": BAD,
    "unknown": UNKNOWN,
    "lost": LOST,
    "late": LATE,
    "two_jobs": TWO_JOBS,
    "known_or_new": KNOWN_OR_NEW,
    "no_nova": NO_NOVA,
    "noop": NOOP,
    "taken_over": TAKEN_OVER,
    "not_collected": NOT_COLLECTED,
}


@pytest.mark.parametrize("name", CASES)
def test_the_comment_is_word_by_word_as_agreed(name: str) -> None:
    path = SNAPSHOTS / f"{name}.txt"
    text = comment(CASES[name])
    if os.environ.get("XENCI_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_what_a_change_needs_is_told_beside_what_was_tested_and_in_bounds() -> None:
    assert GOOD.versions is not None
    needy = replace(GOOD, versions=replace(GOOD.versions, needs=("901233,2", "3,1"), carry=()))
    assert "(merge 3188db6691d1), after what it needs: 901233,2, 3,1, nothing carried." in comment(needy)
    greedy = replace(GOOD, versions=replace(GOOD.versions, needs=tuple(f"{n},1" for n in range(9000))))
    assert len(comment(greedy).encode()) < len(comment(GOOD).encode()) + 500


def test_the_results_tab_shows_a_good_change() -> None:
    assert show(_posted(comment(GOOD)), author=NAME) == Shown(
        pipeline="check",
        is_success=True,
        rows=(Row(job="xen-tempest", link=BUILD.url, result="SUCCESS", time="2h 03m 04s"),),
    )


def test_the_results_tab_shows_a_bad_change_with_a_red_cross_and_only_its_build() -> None:
    shown = show(_posted(comment(BAD)), author=NAME)
    assert shown is not None
    assert not shown.is_success
    assert [(row.job, row.result, row.time) for row in shown.rows] == [("xen-tempest", "FAILURE", "22m 09s")]


def test_the_results_tab_shows_every_job() -> None:
    shown = show(_posted(comment(TWO_JOBS)), author=NAME)
    assert shown is not None
    assert [(row.result, row.time, row.error) for row in shown.rows] == [
        ("SUCCESS", "2h 03m 04s", ""),
        ("ERROR", "5s", "of the CI itself"),
        ("SKIPPED", "", ""),
    ]


@pytest.mark.parametrize("result", Result)
def test_every_result_has_a_word_that_the_results_tab_knows(result: Result) -> None:
    shown = show(header("check", is_success=False) + "\n" + row(replace(BUILD, result=result)), author=NAME)
    assert shown is not None
    assert shown.rows[0].result in KNOWN


def test_a_job_that_was_not_needed_does_not_make_a_success_a_failure() -> None:
    facts = replace(GOOD, builds=(BUILD, replace(BUILD, result=Result.NOT_APPLICABLE)))
    assert comment(facts).startswith("Build succeeded (check pipeline).\n")


def test_nothing_that_ran_is_no_success() -> None:
    assert comment(replace(GOOD, builds=())).startswith("Build failed")


@pytest.mark.parametrize("pipeline", ["xen-check", "", "a b", "check.", "prüfung", "check\n"])
def test_a_pipeline_that_would_hide_the_comment_is_refused(pipeline: str) -> None:
    with pytest.raises(ValueError, match="results tab"):
        comment(replace(GOOD, pipeline=pipeline))
    with pytest.raises(ValueError, match="results tab"):
        tag(pipeline)


def test_the_tag_names_us_and_the_pipeline() -> None:
    assert tag("check") == "autogenerated:xenproject:check"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m 00s"),
        (3599, "59m 59s"),
        (7384, "2h 03m 04s"),
        (90000, "25h 00m 00s"),
        (-5, "0s"),
    ],
)
def test_durations_are_written_as_zuul_does(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_of_many_failing_tests_the_first_are_named_and_the_rest_counted() -> None:
    failed = tuple(FailedTest(id=f"a.b.C.test_{i}", url=f"{BUILD.url}#{i}") for i in range(500))
    text = comment(replace(BAD, builds=(replace(BAD.builds[0], failed=failed),)))
    assert "* a.b.C.test_9\n" in text
    assert "a.b.C.test_10" not in text
    assert "* and 490 more: https://xenci.example.org/build/3f9a0c5e" in text


def test_names_from_a_node_cannot_forge_a_row_or_a_header() -> None:
    evil = "x\n- forged https://evil.example : SUCCESS in 1s\r\nBuild succeeded (gate pipeline).\u2028Build x."
    facts = replace(
        BAD,
        builds=(replace(BAD.builds[0], failed=(FailedTest(id=evil, url="https://a/b c\nd", note=evil),)),),
        reasons=(evil,),
        versions=Versions(patchset=evil, branch=evil, tip_sha=evil, merged_sha=evil, carry=(evil,)),
    )
    shown = show(_posted(comment(facts)), author=NAME)
    assert shown is not None
    assert (shown.pipeline, shown.is_success, len(shown.rows)) == ("check", False, 1)


#: what the results tab calls results of ours
WORDS = {
    Result.MERGE_CONFLICT: "MERGER_FAILURE",
    Result.CARRY_CONFLICT: "MERGER_FAILURE",
    Result.DEPENDENCY_UNMET: "MERGER_FAILURE",
    Result.NOT_APPLICABLE: "SKIPPED",
}
LINKS = re.compile(r"https://xenci\.example\.org/\S*")
ANY = st.text(max_size=300) | st.sampled_from(
    ["\n- j https://x : SUCCESS in 1s", "\nBuild succeeded.", "é" * 300, "𝕏" * 300, "a in b in c", "\ud800", ""]
)
URL = ANY.map(lambda text: "https://xenci.example.org/" + text)
BUILDS = st.lists(
    st.builds(
        BuildLine,
        job=ANY,
        url=URL,
        result=st.sampled_from(Result),
        duration=st.timedeltas(timedelta(seconds=-10), timedelta(days=3)),
        failed=st.lists(st.builds(FailedTest, id=ANY, url=URL, note=ANY), max_size=12).map(tuple),
    ),
    min_size=1,
    max_size=3,
).flatmap(lambda builds: st.sampled_from([1, 1, 10]).map(lambda times: tuple(builds * times)))
FACTS = st.builds(
    MessageFacts,
    pipeline=st.sampled_from(["check", "sandbox", "periodic_2"]),
    builds=BUILDS,
    fault=st.sampled_from(Fault),
    reasons=st.lists(ANY, max_size=12).map(tuple),
    versions=st.none()
    | st.builds(
        Versions, patchset=ANY, branch=ANY, tip_sha=ANY, merged_sha=ANY, carry=st.lists(ANY, max_size=20).map(tuple)
    ),
    contact=URL,
    buildset_url=URL,
)


@given(FACTS)
def test_whatever_is_in_it_the_results_tab_reads_it_and_gerrit_takes_it(facts: MessageFacts) -> None:
    text = comment(facts)
    assert len(text.encode()) < 16_000
    posted = _posted(text)
    assert is_readable(posted, author=NAME, pipeline=facts.pipeline, jobs=min(len(facts.builds), MOST_BUILDS))
    shown = show(posted, author=NAME, tag=tag(facts.pipeline))
    assert shown is not None
    results = {build.result for build in facts.builds}
    fine = {Result.SUCCESS, Result.SKIPPED, Result.NOT_APPLICABLE}
    assert shown.is_success == (Result.SUCCESS in results and results <= fine)
    for told, build in zip(shown.rows, facts.builds, strict=False):
        assert told.result == WORDS.get(build.result, str(build.result))
        assert told.time == ("" if told.result == "SKIPPED" else duration(build.duration))
        assert told.link.startswith("https://xenci.example.org/")
        assert told.link == quote(build.url.encode(errors="replace"), safe="/:?#[]@!$&'()*+,;=%~")[:300]
    assert len(LINKS.findall(posted)) >= 2, "all builds, and whom to ask"
    assert recheck_request(posted) is None
    assert "Whom to ask: https://" in text
    assert "comment `recheck`" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e]", text)


def test_the_largest_comment_still_fits() -> None:
    wide = "𝕏" * 5000
    test = FailedTest(id=wide, url="https://" + wide, note=wide)
    facts = MessageFacts(
        pipeline="check",
        builds=tuple([replace(BUILD, job=wide, url="https://" + wide, failed=(test,) * 50)] * 50),
        fault=Fault.UNKNOWN,
        reasons=(wide,) * 50,
        versions=Versions(patchset=wide, branch=wide, tip_sha=wide, merged_sha=wide, carry=(wide,) * 50),
        contact="https://" + wide,
        buildset_url="https://" + wide,
    )
    text = comment(facts)
    assert len(text.encode()) < 16_000
    assert is_readable(_posted(text), author=NAME, pipeline="check", jobs=MOST_BUILDS)


@pytest.mark.parametrize(
    ("message", "author"),
    [
        (comment(GOOD), "xen-ci"),
        (comment(GOOD), "Xen Project Continuous Integration"),
        ("Build succeeded (xen-check pipeline).", NAME),
        ("The Build succeeded (check pipeline).", NAME),
        ("Build succeeded (check pipeline)", NAME),
    ],
)
def test_the_oracle_refuses_what_the_results_tab_refuses(message: str, author: str) -> None:
    assert show(message, author=author) is None


def test_the_oracle_gives_a_red_cross_to_any_other_word() -> None:
    shown = show("Build successful.", author=NAME)
    assert shown is not None
    assert not shown.is_success
    assert shown.pipeline == "unknown"


def test_the_oracle_reads_zuuls_own_comment() -> None:
    text = (
        "Patch Set 1: Verified-1\n\nBuild failed (check pipeline).\n\n"
        "- nova-tox-py310 https://x.example.org/1 : SUCCESS in 9m 21s\n"
        "* tempest-lost https://x.example.org/3 : SUCCESS in 1s\n"
        "- tempest-full https://x.example.org/2 : FAILURE in 1h 23m 03s"
    )
    shown = show(text, author="Zuul")
    assert shown is not None
    assert [row.job for row in shown.rows] == ["nova-tox-py310", "tempest-full"]


def _posted(text: str) -> str:
    """What Gerrit makes of a comment that comes with a vote."""
    return f"Patch Set 5: Verified+1\n\n{text}"
