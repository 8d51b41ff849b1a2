"""What asks for a recheck and what does not, by table and by hostile texts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.model.change import Account, Message
from xenci.rules.recheck import SAME_REQUEST, message_key, recheck_request, same_request

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def message(text: str, comments: tuple[str, ...] = (), *, at: datetime = NOON, who: str = "dev") -> Message:
    return Message(id="", author=Account(username=who), patchset=1, text=text, tag="", posted_at=at, comments=comments)


@pytest.mark.parametrize(
    "text",
    [
        "recheck",
        "Recheck",
        "RECHECK\n",
        "recheck flaky volume test",
        "recheck: the mirror was down",
        "recheck, please",
        "recheck.",
        "Patch Set 1:\n\nrecheck",
        "Patch Set 1:\n\nrecheck flaky volume test",
        "Patch Set 1:\r\n\r\nrecheck",
        "Patch Set 12: Code-Review+1\n\nrecheck",
        "Patch Set 12: Code-Review-1 Verified+1\n\n  recheck",
        "Patch Set 3: -Code-Review\n\nrecheck",
        "Patch Set 3:\n\n(1 comment)\n\nrecheck",
        "Patch Set 3: recheck",
        "xen recheck",
        "Xen: recheck",
        "xen:recheck",
        "recheck xen",
        "Patch Set 2:\n\nxen: recheck no valid host",
    ],
)
def test_a_recheck_is_recognized(text: str) -> None:
    assert recheck_request(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Patch Set 1:",
        "Patch Set 1: Code-Review-1\n\nplease do not recheck this",
        "Patch Set 1:\n\nplease do not recheck",
        "Looks flaky.\n\nrecheck",
        "> recheck\n\nThat did not help.",
        "rechecking this",
        "recheck_it",
        "recheck-vmware",
        "vmware-recheck",
        "norecheck",
        "xenrecheck",
        "Patch Set 1: Verified-1\n\nBuild failed (check pipeline).\n\n- job https://x : FAILURE in 1m\n\nrecheck",
        "To run again, comment: recheck",
        "Uploaded patch set 2.",
    ],
)
def test_anything_else_is_no_recheck(text: str) -> None:
    assert recheck_request(text) is None


def test_a_recheck_in_a_patchset_level_comment_is_recognized() -> None:
    assert recheck_request("Patch Set 3:\n\n(1 comment)", ["recheck it was full"]) == "recheck it was full"


def test_a_second_patchset_level_comment_is_read_too() -> None:
    assert recheck_request("Patch Set 3:\n\n(2 comments)", ["nice", "\n recheck"]) == "recheck"


def test_the_request_is_told_in_small_letters_and_single_spaces() -> None:
    assert recheck_request("Patch Set 1:\n\n XEN:  Recheck \t Foo\n\nmore") == "xen: recheck foo"


@pytest.mark.parametrize(
    "hostile",
    [
        "Patch Set 1: " + "a-b " * 200_000 + "recheck",
        "Patch Set 1:" + "\n" * 1_000_000 + "recheck",
        "xen:" + " " * 1_000_000 + "recheck",
        "recheck " + "x" * 5_000_000,
        "Patch Set " + "1" * 1_000_000,
        "(" + "1" * 1_000_000 + " comments)",
        "-" * 1_000_000,
    ],
)
def test_of_a_huge_text_only_a_bounded_part_is_read(hostile: str) -> None:
    """What lies beyond the bound makes no difference, whatever it is."""
    assert recheck_request(hostile) == recheck_request(hostile[:4000])
    assert len(recheck_request(hostile) or "") <= 200


@given(st.text(), st.lists(st.text(), max_size=4))
def test_any_text_is_read_without_an_error(text: str, comments: list[str]) -> None:
    found = recheck_request(text, comments)
    assert found is None or ("recheck" in found and "\n" not in found)


@given(st.text(alphabet=st.characters(blacklist_characters="rR")))
def test_a_text_without_the_word_is_never_a_recheck(text: str) -> None:
    assert recheck_request(text, [text]) is None


@given(lag=st.integers(0, 30), more=st.sampled_from(["", " flaky", ": x"]), who=st.sampled_from(["dev", ""]))
def test_a_recheck_has_one_key_in_the_stream_and_by_rest(lag: int, more: str, who: str) -> None:
    """The event is made some seconds later, has the words in the text, and may tell less of the author."""
    heard = message(f"Patch Set 1:\n\nrecheck{more}", at=NOON + timedelta(seconds=lag), who=who)
    seen = message("Patch Set 1:\n\n(1 comment)", (f"recheck{more}",), at=NOON)
    assert same_request(message_key(heard) or "", message_key(seen) or "")


def test_rechecks_at_different_times_have_different_keys() -> None:
    later = NOON + SAME_REQUEST + timedelta(seconds=1)
    assert not same_request(message_key(message("recheck")) or "", message_key(message("recheck", at=later)) or "")


def test_rechecks_with_different_words_have_different_keys() -> None:
    assert not same_request(message_key(message("recheck a")) or "", message_key(message("recheck b")) or "")


def test_a_fraction_of_a_second_makes_no_other_key() -> None:
    assert message_key(message("recheck", at=NOON + timedelta(milliseconds=900))) == message_key(message("recheck"))


def test_a_message_that_asks_for_nothing_has_no_key() -> None:
    assert message_key(message("nice work")) is None
