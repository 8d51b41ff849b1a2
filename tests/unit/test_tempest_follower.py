"""A subunit stream that is followed as it grows: recorded ones, in any pieces, damaged, and hostile."""

import io
import itertools
import random
import struct
import zlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from subunit.v2 import StreamResultToBytes

from xenci.model.tests import TestResult, TestStatus
from xenci.tempest import follower as follower_module
from xenci.tempest import packets as packets_module
from xenci.tempest.follower import MAX_DETAIL, Follower
from xenci.tempest.packets import Packets

DATA = Path(__file__).parent.parent / "data" / "subunit"
AT = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
BAD = (DATA / "xen417-nova31-bad.subunit").read_bytes()
CUT = (DATA / "xen417-nova31-good-cut.subunit").read_bytes()


def read(*chunks: bytes) -> tuple[list[TestResult], Follower]:
    follower = Follower()
    results = [result for chunk in chunks for result in follower.feed(chunk)]
    return results, follower


def packet(test_id: str | None = None, status: str | None = None, **more: object) -> bytes:
    stream = io.BytesIO()
    StreamResultToBytes(stream).status(test_id=test_id, test_status=status, **more)
    return stream.getvalue()


def raw_packet(flags: int, content: bytes) -> bytes:
    """A packet with a right checksum and any content."""
    length = 3 + 2 + len(content) + 4
    head = struct.pack(">BHH", 0xB3, 0x2000 | flags, 0x4000 | length)
    return head + content + struct.pack(">I", zlib.crc32(head + content))


@pytest.mark.parametrize(
    ("name", "counts", "running"),
    [
        ("run1-with-failures", {"success": 184, "skip": 20, "fail": 6}, 0),
        ("run2-smoke", {"success": 51, "skip": 22, "fail": 2}, 0),
        ("run4-killed", {"success": 1}, 1),
        ("tempest-on-xen-victoria", {"success": 3, "skip": 2}, 0),
        ("tempest-on-xen417-nova31", {"success": 3, "skip": 2}, 0),
        ("xen417-nova31-good-cut", {"success": 36, "skip": 2}, 1),
        ("xen417-nova31-bad", {"success": 6, "fail": 1}, 0),
        ("lab-bad-first", {"success": 31, "fail": 2}, 0),
        ("lab-bad-again", {"fail": 1}, 0),
    ],
)
def test_recorded_streams_are_read_whole(name: str, counts: dict[str, int], running: int) -> None:
    data = (DATA / f"{name}.subunit").read_bytes()
    results, follower = read(data)
    ended = Counter(str(result.status) for result in results if result.status is not TestStatus.INPROGRESS)
    assert ended == counts
    assert len(follower.running) == running
    assert (follower.consumed, follower.skipped, follower.malformed) == (len(data), 0, 0)


def test_a_failed_set_up_of_a_class_is_told_with_its_traceback() -> None:
    results, _ = read(BAD)
    failed = [result for result in results if result.is_failure]
    assert [result.id for result in failed] == [
        "setUpClass (tempest.api.compute.servers.test_create_server.ServersTestJSON)"
    ]
    assert "Traceback (most recent call last)" in failed[0].detail
    assert "BuildErrorException" in failed[0].detail


def test_a_skipped_test_tells_its_reason() -> None:
    results, _ = read(CUT)
    reasons = {result.detail for result in results if result.status is TestStatus.SKIP}
    assert reasons
    assert all(reasons)


def test_a_test_is_told_when_it_begins_and_when_it_ends() -> None:
    results, _ = read(CUT)
    first, second = results[:2]
    assert (first.status, second.status, first.id) == (TestStatus.INPROGRESS, TestStatus.SUCCESS, second.id)
    assert first.started_at == second.started_at
    assert second.seconds is not None
    assert second.seconds > 0


def test_the_test_that_hangs_is_named() -> None:
    _, follower = read(CUT)
    assert [name.split("[")[0].rsplit(".", 1)[1] for name in follower.running] == ["test_get_console_output"]


@given(st.lists(st.integers(0, len(BAD)), max_size=20))
@settings(max_examples=30)
def test_in_any_pieces_a_stream_tells_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(BAD)]
    results, follower = read(*(BAD[start:end] for start, end in itertools.pairwise(edges)))
    assert results == read(BAD)[0]
    assert follower.consumed == len(BAD)


def test_cut_anywhere_a_stream_tells_what_was_whole_and_goes_on_with_the_rest() -> None:
    # the first eleven packets only list what is to come
    few = b"".join(Packets().feed(BAD)[11:18])
    whole, _ = read(few)
    assert len(whole) > 2
    for end in range(len(few)):
        before, follower = read(few[:end])
        assert before == whole[: len(before)]
        assert follower.consumed <= follower.received == end
        assert before + follower.feed(few[end:]) == whole


def test_a_new_follower_goes_on_from_the_last_whole_packet() -> None:
    """As after a restart: what is stored of the stream is read again from its begin."""
    for end in (0, 1, 5000, len(CUT)):
        _, lost = read(CUT[:end])
        again, follower = read(CUT[: lost.received], CUT[lost.received :])
        assert again == read(CUT)[0]
        assert follower.consumed == len(CUT)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_what_is_no_stream_is_stepped_over(before: bytes, after: bytes) -> None:
    good = packet("a.b", "success", timestamp=AT)
    follower = Follower()
    results = follower.feed(before + good + after + good) + follower.end()
    assert [result.id for result in results] == ["a.b", "a.b"]
    assert follower.received == len(before) + len(after) + 2 * len(good)


def test_a_damaged_packet_costs_itself_alone() -> None:
    whole, _ = read(BAD)
    chance = random.Random(2)
    for _ in range(60):
        data = bytearray(BAD)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        follower = Follower()
        results = follower.feed(bytes(data)) + follower.end()
        assert len(results) >= len(whole) - 2
        assert follower.skipped > 0 or follower.malformed > 0


def test_a_packet_that_never_ends_is_stepped_over_at_the_streams_end() -> None:
    good = packet("a.b", "success", timestamp=AT)
    endless = struct.pack(">BHBH", 0xB3, 0x2000, 0xBF, 0xFFFF)
    follower = Follower()
    assert follower.feed(endless + good) == []
    assert [result.id for result in follower.end()] == ["a.b"]


def test_bytes_that_look_like_endless_packets_do_not_cost_endless_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets_module, "_MAX_WRONG", 100_000)
    packets = Packets()
    bait = struct.pack(">BHH", 0xB3, 0x2000, 0x7FFF) * 20_000
    assert packets.feed(bait) == []
    assert packets.is_hopeless
    assert packets.consumed == packets.skipped == len(bait)


@given(st.integers(0, 0x0FFF), st.binary(max_size=60))
@settings(max_examples=100)
def test_no_content_of_a_sound_packet_breaks_it(flags: int, content: bytes) -> None:
    good = packet("a.b", "success", timestamp=AT)
    results, follower = read(raw_packet(flags, content) + good)
    assert results[-1].id == "a.b"
    assert follower.consumed == len(raw_packet(flags, content)) + len(good)


def test_a_malformed_packet_is_counted_and_is_no_test() -> None:
    results, follower = read(raw_packet(0x0803, b"\x3fabc"))
    assert results == []
    assert follower.malformed == 1


def test_a_long_traceback_keeps_its_begin_and_its_end() -> None:
    piece = b"middle " * 30_000
    chunks = [
        packet("t", "inprogress", timestamp=AT),
        packet("t", file_name="traceback", file_bytes=b"the begin\n", mime_type="text/x-traceback"),
        *(packet("t", file_name="traceback", file_bytes=piece, mime_type="text/x-traceback") for _ in range(4)),
        packet("t", file_name="traceback", file_bytes=b"\nthe end", mime_type="text/x-traceback", eof=True),
        packet("t", file_name="pythonlogging:''", file_bytes=b"noise", mime_type="text/plain"),
        packet("t", "fail", timestamp=AT),
    ]
    detail = read(*chunks)[0][-1].detail
    assert detail.startswith("the begin\n")
    assert detail.endswith("\nthe end")
    assert "the middle was left out" in detail
    assert "noise" not in detail
    assert len(detail.encode()) <= MAX_DETAIL + 100


def test_what_postgresql_or_a_terminal_would_choke_on_is_made_printable() -> None:
    results, _ = read(
        packet("t", file_name="traceback", file_bytes=b"a\0b\x1b[31m\xff\n\tc", mime_type="text/plain"),
        packet("\x1b]0;t\u202e" + "x" * 2000, "fail", timestamp=AT),
        packet("t", "fail", timestamp=AT),
    )
    assert "\x1b" not in results[0].id
    assert "\u202e" not in results[0].id
    assert len(results[0].id) <= 1000
    assert results[1].detail == "a\ufffdb\ufffd[31m\ufffd\n\tc"


def test_more_results_than_any_tempest_has_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_module, "MAX_RESULTS", 10)
    results, _ = read(*(packet(f"t{i}", "success", timestamp=AT) for i in range(50)))
    assert len(results) == 10


def test_a_list_of_tests_is_no_result() -> None:
    assert read(packet("t", "exists"), packet(file_name="log", file_bytes=b"x"))[0] == []


def test_an_id_fits_into_postgresqls_index_whatever_it_is_written_in() -> None:
    results, _ = read(packet("試" * 3000, "success"))
    assert 900 < len(results[0].id.encode()) <= 1000


@pytest.mark.parametrize("path", sorted(DATA.glob("*.subunit")), ids=lambda path: path.stem)
def test_recorded_streams_have_no_damage_and_a_flipped_bit_is_one(path: Path) -> None:
    whole = path.read_bytes()
    follower = read(whole)[1]
    follower.end()
    assert follower.damage == ""
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    follower = read(bytes(flipped))[1]
    follower.end()
    assert "belong to no whole packet" in follower.damage


def test_what_a_program_prints_between_packets_is_no_damage_and_half_a_packet_is() -> None:
    follower = read(b"a warning\n", packet("a", "success"), b"\x1b[31mred\x1b[0m\r\n", packet("b", "success"))[1]
    follower.end()
    assert (follower.skipped > 0, follower.damage) == (True, "")
    follower = read(packet("a", "success"), packet("b", "success")[:-3])[1]
    assert follower.damage == "", "the rest may still come"
    follower.end()
    assert "belong to no whole packet" in follower.damage


def test_a_packet_that_makes_no_sense_is_damage() -> None:
    follower = read(raw_packet(0x0800, b"\xff\xff\xff"))[1]
    assert follower.malformed
    assert "make no sense" in follower.damage
