"""The comment as Gerrit's results tab reads it, whatever is in it, and what the results tab refuses."""

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.message_samples import BAD, BUILD, GOOD, NAME, TWO_JOBS
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
