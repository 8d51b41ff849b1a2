"""How the pages write times, sizes, names, sentences and hostile text."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.browser.sample import sample_settings
from xenci.dashboard import again, formats, proofs, sentences, tones
from xenci.dashboard.ansi import ansi, visible
from xenci.dashboard.pages.theme import _is_ours
from xenci.dashboard.queries_builds import TestCounts
from xenci.model.outcome import Fault, Result
from xenci.rules.statistics import Counts, Rate
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, PatchsetRow, PhaseRow, ReportRow

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.031, "31 ms"),
        (0.994, "994 ms"),
        (0.996, "1.0 s"),
        (2.44, "2.4 s"),
        (9.96, "10 s"),
        (82, "82 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (221, "3 min 41 s"),
        (3599.6, "1 h"),
        (8100, "2 h 15 min"),
        (7200, "2 h"),
        (400_000, "4 days"),
        (-5, "0 s"),
    ],
)
def test_a_duration_is_written_as_people_say_it(seconds: float, text: str) -> None:
    assert formats.duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 KB"), (71_000, "71 KB"), (4_100_000, "4.1 MB"), (10**13, "10 TB")],
)
def test_a_size_has_two_figures(size: int, text: str) -> None:
    assert formats.size(size) == text


@given(st.integers(0, 10**18))
def test_every_size_can_be_written(size: int) -> None:
    assert re.fullmatch(r"[\d,.]+ (bytes|KB|MB|GB|TB)", formats.size(size))


def test_a_time_is_relative_for_a_day_and_absolute_after() -> None:
    assert "12 min ago" in formats.ago(NOW - timedelta(minutes=12), NOW)
    assert "2 h 03 min ago" in formats.ago(NOW - timedelta(hours=2, minutes=3), NOW)
    assert "19 Nov 2026 15:00 UTC" in formats.ago(NOW - timedelta(days=2), NOW)
    assert "22 Nov 2026" in formats.ago(NOW + timedelta(hours=20), NOW)
    assert "never" in formats.ago(None, NOW)


@pytest.mark.parametrize(
    ("test_id", "method", "path"),
    [
        ("a.b.C.test_x[id-1,smoke]", "test_x", "a.b.C"),
        ("setUpClass (a.b.C)", "setUpClass", "a.b.C"),
        ("tearDownModule (a.b)", "tearDownModule", "a.b"),
        ("alone", "alone", ""),
    ],
)
def test_a_tests_name_is_its_method_and_its_class(test_id: str, method: str, path: str) -> None:
    assert formats.split_test(test_id) == (method, path)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {f"{name}={value}" for name, value in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def _read(markup: str) -> _Reader:
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader


@given(st.text(alphabet="<>&\"'\x1b[]0123;m abc/\x07\u202e", max_size=80))
def test_no_text_of_a_node_becomes_markup(text: str) -> None:
    reader = _read(ansi(text))
    assert reader.tags <= {"span"}
    assert all(re.fullmatch(r"class=(a\d+ ?)+", one) for one in reader.attributes)
    assert "\x1b" not in reader.text
    assert "\u202e" not in reader.text
    reader = _read(formats.test_name(text))
    assert reader.tags <= {"b", "span", "wbr"}
    assert not reader.attributes


@given(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cf", "Cs")), max_size=60))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert _read(ansi(text)).text == text


def test_colours_become_classes_and_other_sequences_are_dropped() -> None:
    assert ansi("\x1b[1;31mbad\x1b[0m \x1b]0;title\x07\x1b[2Jok") == '<span class="a1 a31">bad</span> ok'


def test_control_signs_are_made_visible() -> None:
    assert visible("a\x00b\x7fc\x9fd\te") == "a␀b␡c�d\te"


def test_a_line_without_end_is_cut_and_says_so() -> None:
    assert ansi("x" * 5000).endswith("<small> … 1,000 more signs</small>")


@pytest.mark.parametrize(
    "address", ["//evil.example", "/\\evil", "https://evil.example", "javascript:alert(1)", "", "/a\nb"]
)
def test_the_theme_leads_back_to_this_site_only(address: str) -> None:
    assert not _is_ours(address)


def test_the_theme_leads_back_to_the_page() -> None:
    assert _is_ours("/builds?q=%2F%2Fx")


def _build(
    result: Result | None, fault: Fault | None, *, reports: list[ReportRow] | None = None, **more: object
) -> BuildRow:
    change = ChangeRow(number=7, project="openstack/nova", branch="stable/2025.1")
    patchset = PatchsetRow(number=2, change=change, sha="5ha", ref="refs/changes/07/7/2")
    buildset = BuildsetRow(
        patchset=patchset, pipeline="check", reports=reports or [], state="done", result=result, fault=fault, reasons=[]
    )
    asked = {"state": "done", "reasons": [], "memory": {}, "doing": "", "uuid": "u", "job": "j", "id": 1, **more}
    return BuildRow(buildset=buildset, result=result, fault=fault, **asked)


@pytest.mark.parametrize("result", list(Result))
@pytest.mark.parametrize("fault", list(Fault))
def test_every_ending_has_a_sentence_a_tone_and_a_line(result: Result, fault: Fault) -> None:
    build = _build(result, fault)
    opening = sentences.of_build(build, TestCounts(), None)
    assert opening.word == result
    assert opening.sentence.endswith(".")
    assert opening.tone in {"good", "bad", "warn", "infra", "none", "skip"}
    assert sentences.in_words(build)
    assert sentences.of_buildset(build.buildset).sentence.endswith(".")


@pytest.mark.parametrize("result", [Result.SKIPPED, Result.NOT_APPLICABLE])
def test_nobody_is_told_to_recheck_what_would_end_the_same_way(result: Result) -> None:
    assert sentences.what_now(result, Fault.NONE) == "Nothing: “recheck” would end the same way."


def test_a_recheck_after_an_early_end_is_offered_with_its_conditions() -> None:
    assert "of an open change" in sentences.what_now(Result.ABORTED, Fault.NONE)


def test_a_failure_of_the_change_is_not_said_to_be_seen_more_often_than_it_was() -> None:
    assert "twice" not in sentences.what_now(Result.FAILURE, Fault.CHANGE)


def test_a_build_that_has_ended_is_not_under_way() -> None:
    buildset = BuildsetRow(state="running", builds=[BuildRow(state="done"), BuildRow(state="running")])
    assert sentences.of_buildset(buildset).sentence.startswith("1 build under way;")


def test_only_the_changes_own_failure_is_red() -> None:
    red = {(r, f) for r in Result for f in Fault if tones.result_tone(r, f) == "bad"}
    assert red == {(Result.FAILURE, Fault.CHANGE)}


def test_the_first_reason_opens_the_page() -> None:
    build = _build(Result.FAILURE, Fault.CHANGE, reasons=["one test fails with it, and passes on the tip"])
    assert sentences.of_build(build, TestCounts(), None).sentence == "One test fails with it, and passes on the tip."


def test_what_gerrit_was_told_is_said() -> None:
    posted = _build(Result.SUCCESS, Fault.NONE, reports=[ReportRow(state="posted", vote=1, reason="")])
    assert sentences.said(posted.buildset) == "voted Verified +1"
    bare = _build(Result.TIMED_OUT, Fault.UNKNOWN, reports=[ReportRow(state="posted", vote=None, reason="")])
    assert sentences.said(bare.buildset) == "commented without a vote"
    pending = _build(Result.SUCCESS, Fault.NONE, reports=[ReportRow(state="pending", vote=1, reason="")])
    assert sentences.said(pending.buildset) == "the comment waits to be posted"
    assert sentences.said(_build(Result.MERGE_CONFLICT, Fault.NONE).buildset) == "nothing was said in Gerrit"


def test_a_running_build_tells_how_far_it_is() -> None:
    build = _build(None, None, state="running", doing="runs the tests")
    opening = sentences.of_build(build, TestCounts(passed=3, failed=1, skipped=2), 39)
    assert opening.sentence == "6 of about 39 tests have ended, 1 failure so far."
    assert opening.small == "Runs the tests."
    assert sentences.of_build(build, TestCounts(), 39).sentence == "Runs the tests."


def test_a_rate_of_few_builds_is_not_told() -> None:
    few = sentences.of_trends(Rate(counts=Counts(passed=49)))
    assert few.sentence == "Not enough data yet for a pass rate: 49 of 50 builds have a verdict."
    assert sentences.of_trends(Rate(counts=Counts(passed=48, change=2))).sentence == "96.0 % of judged builds passed."


def test_commands_quote_what_an_author_chose(tmp_path: Path) -> None:
    hostile = "refs/changes/07/7/2; rm -rf /"
    build = _build(Result.FAILURE, Fault.CHANGE, tree_sha="t" * 40, tip_tree_sha="p" * 40, job="nova-xen-tempest")
    build.buildset.patchset.ref = hostile
    made = again.commands(sample_settings(tmp_path), build, ("setUpClass (a.b.C)", "a.b.C.test_d[id-1]", "x; reboot"))
    assert f"git fetch origin '{hostile}'" in made.tree
    assert any("a.b.C a.b.C.test_d 'x; reboot'" in line for line in made.node)
    assert made.operator[1] == "xenci build run 7,2 --pipeline check"


def _again(tmp_path: Path, changed: dict[str, object], failed: tuple[str, ...] = (), **build: object) -> again.Commands:
    settings = sample_settings(tmp_path)
    known = settings.jobs[0].model_copy(update=changed)
    row = _build(Result.FAILURE, Fault.CHANGE, tree_sha="t" * 40, tip_tree_sha="p" * 40, **{"job": known.name, **build})
    return again.commands(settings.model_copy(update={"jobs": (known,)}), row, failed)


def test_the_tree_is_pushed_and_started_by_a_ref_of_its_own(tmp_path: Path) -> None:
    made = _again(tmp_path, {}, ("a.b.C.test_d",))
    assert made.tree[-1] == "git push --force ssh://root@NODE/opt/stack/nova HEAD:refs/xenci/again-tip"
    assert made.node[0] == "set -a; . /opt/cloud/env; set +a"
    assert "rev-parse refs/xenci/again)" in made.node[1]
    assert not any("t" * 40 in line for line in made.node)


def test_where_nova_did_not_start_it_is_started_twice_by_hand_too(tmp_path: Path) -> None:
    phases = [PhaseRow(phase="nova", run=run) for run in ("first", "again", "tip")]
    starts = [line for line in _again(tmp_path, {}, phases=phases).node if "rev-parse" in line]
    assert [line.count("refs/xenci/again)") for line in starts] == [1, 1, 0]


def test_only_the_series_of_the_branch_is_applied(tmp_path: Path) -> None:
    carry = sample_settings(tmp_path).jobs[0].carry[0]
    other = carry.model_copy(update={"branch": "master", "series": Path("/etc/carry/nova-master")})
    made = _again(tmp_path, {"carry": (carry, other)})
    assert [line for line in made.tree if line.startswith("carry=")] == [
        "carry=/path/to/xenci/configs/carry/nova-2025.1"
    ]


def test_braces_of_a_configured_command_are_left_alone(tmp_path: Path) -> None:
    node = sample_settings(tmp_path).jobs[0].node.model_copy(update={"start_nova": "start ${X} {commit} {limit}"})
    assert _again(tmp_path, {"node": node}).node[1].startswith('start ${X} "$(git')


def test_a_job_that_runs_nothing_or_is_gone_has_no_commands_by_hand(tmp_path: Path) -> None:
    noop = _again(tmp_path, {"noop": True})
    gone = _again(tmp_path, {}, job="another")
    assert (noop.tree, noop.node, noop.runs_nothing) == ((), (), True)
    assert (gone.tree, gone.node, gone.runs_nothing) == ((), (), False)


def test_a_nova_that_does_not_start_is_tried_without_the_change_as_the_run_did(tmp_path: Path) -> None:
    phases = [PhaseRow(phase="nova", run="tip")]
    made = _again(tmp_path, {}, phases=phases, memory={"tests_tip": ["a.b.Boots"]})
    assert "again-tip" in made.node[-2]
    assert "a.b.Boots" in made.node[-1]
    assert not any("again-tip" in line for line in _again(tmp_path, {}).node)


def test_a_proof_is_told_in_words_and_in_bounds() -> None:
    told = dict(proofs.told({"commit": "c" * 5000, "began_at": 1_795_275_542.0, "from_elsewhere": [], "odd": {"a": 1}}))
    assert len(told["Commit in the tree"]) == 300
    assert told["Nova's process began"].endswith("UTC")
    assert told["Modules from elsewhere"] == "none"
    assert told["odd"] == "a: 1"
    assert proofs.runs({"first": {"commit": "c"}, "tip": "not a mapping"}) == [
        ("The change's tree", [("Commit in the tree", "c")])
    ]


def test_the_starts_of_nova_are_told_in_their_order_those_that_failed_too() -> None:
    found = proofs.runs({"tip": {"commit": "c"}, "tried_again": {"commit": "b"}, "tried_first": {"commit": "a"}})
    assert [title for title, _ in found] == [
        "Nova did not start, from",
        "Nova did not start again, from",
        "The tip's tree",
    ]
    assert [facts for _, facts in found] == [[("Commit in the tree", one)] for one in "abc"]
