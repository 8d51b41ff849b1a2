"""What commit messages depend on, and the order that follows."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.rules.depends import Circle, Named, depends_on, in_order

GERRIT = "https://review.opendev.org/"
KEY = "I0123456789abcdef0123456789abcdef01234567"


def number(what: str, *gerrits: str) -> list[int | str]:
    found = depends_on(f"Subject\n\nText.\n\nDepends-On: {what}\nChange-Id: {KEY}\n", gerrits or (GERRIT,))
    return [one.number or one.key for one in found]


@pytest.mark.parametrize(
    "what",
    [
        "https://review.opendev.org/c/openstack/nova/+/901234",
        "https://review.opendev.org/c/openstack/nova/+/901234/",
        "https://review.opendev.org/c/openstack/nova/+/901234/5",
        "https://review.opendev.org/c/openstack/nova/+/901234/5/nova/virt/driver.py",
        "https://review.opendev.org/c/901234",
        "https://review.opendev.org/901234",
        "https://review.opendev.org/901234/",
        "https://review.opendev.org/#/c/901234",
        "https://review.opendev.org/#/c/901234/3/",
        "https://review.opendev.org/#/c/openstack/nova/+/901234",
        "HTTPS://Review.OpenDev.org/c/openstack/nova/+/901234",
        "http://review.opendev.org/901234",
        "https://review.opendev.org:443/901234",
        "https://review.opendev.org//901234?usp=email",
        "https://review.opendev.org/901234 (the libvirt part)",
        "<https://review.opendev.org/901234>, and more.",
        "https://review.opendev.org/901234.",
    ],
)
def test_an_address_of_this_gerrit_names_its_change(what: str) -> None:
    assert number(what) == [901234]


@pytest.mark.parametrize(
    "what",
    [
        "",
        "https://github.com/openstack/nova/pull/901234",
        "https://review.opendev.org.example.org/901234",
        "https://example.org/https://review.opendev.org/901234",
        "https://review.opendev.org:8443/901234",
        "https://review.opendev.org/",
        "https://review.opendev.org/q/topic:xen",
        "https://review.opendev.org/c/openstack/nova/+/",
        "https://review.opendev.org/c/openstack/nova/+/zero",
        "https://review.opendev.org/0",
        "https://review.opendev.org/12345678901234567890",
        "https://[review.opendev.org/1",
        "https://review.opendev.org:port/1",
        "ssh://review.opendev.org/901234",
        "review.opendev.org/901234",
        "901234",
        KEY[:-1],
        KEY + "0",
        "x" * 100_000,
    ],
)
def test_anything_else_names_none(what: str) -> None:
    assert number(what) == []


def test_a_change_id_is_the_older_form() -> None:
    assert number(KEY) == [KEY]
    assert number(KEY.upper()) == [KEY]
    assert number(f"https://review.opendev.org/q/{KEY}") == [KEY]


def test_a_gerrit_below_a_folder_and_one_with_other_names_are_known() -> None:
    assert number("https://example.org/gerrit/c/p/+/7", "https://example.org/gerrit/") == [7]
    assert number("https://example.org/c/p/+/7", "https://example.org/gerrit/") == []
    assert number("https://review.openstack.org/7", GERRIT, "https://review.openstack.org/") == [7]
    assert number("http://127.0.0.1:8080/c/p/+/7", "http://127.0.0.1:8080/") == [7]


def test_any_number_of_lines_in_any_letters_each_once_and_nowhere_within_a_line() -> None:
    message = f"""Subject

See Depends-On: {GERRIT}1
depends-on: {GERRIT}2
DEPENDS-ON:{GERRIT}3
Depends-On: {KEY}
Depends-On:\t{GERRIT}2/1
Depends-On:
 Depends-On: {GERRIT}4
Depended-On: {GERRIT}5
"""
    assert depends_on(message, [GERRIT]) == (Named(number=2), Named(number=3), Named(key=KEY))
    assert [one.words for one in depends_on(message, [GERRIT])] == ["change 2", "change 3", KEY]


@given(st.text(alphabet="Depnds-On: htps/.1#+cqI0\n\r\t\x00é", max_size=2000))
def test_no_message_breaks_it(message: str) -> None:
    for one in depends_on(message, [GERRIT]):
        assert (one.number > 0) != bool(one.key)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "part",
    ["Depends-On: ", "Depends-On: https://review.opendev.org/" + "/" * 500, " " * 1000, "Depends-On: #/c/" * 50, "\n"],
)
def test_a_hostile_message_of_megabytes_comes_to_an_end(part: str) -> None:
    """What grew with the square of its length would take hours."""
    assert depends_on("Depends-On: " + part * (2_000_000 // len(part)) + f"\nDepends-On: {GERRIT}8", [GERRIT])[-1:] == (
        Named(number=8),
    )


def test_each_comes_after_what_it_needs_and_the_change_itself_is_the_last() -> None:
    needs = {1: [2, 3], 2: [4], 3: [4, 5], 5: []}
    assert in_order(1, needs) == (4, 2, 5, 3, 1)
    assert in_order(9, needs) == (9,)


@pytest.mark.parametrize(
    ("needs", "round_about"),
    [
        ({1: [1]}, (1, 1)),
        ({1: [2], 2: [1]}, (1, 2, 1)),
        ({1: [2], 2: [3], 3: [4], 4: [2]}, (2, 3, 4, 2)),
    ],
)
def test_a_circle_has_no_order_and_is_told(needs: dict[int, list[int]], round_about: tuple[int, ...]) -> None:
    assert in_order(1, needs) == Circle(changes=round_about)


GRAPHS = st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 12), max_size=4), max_size=13)


@given(GRAPHS)
def test_an_order_keeps_every_need_and_a_circle_is_one(needs: dict[int, list[int]]) -> None:
    match in_order(0, needs):
        case Circle(changes=changes):
            assert changes[0] == changes[-1]
            assert all(after in needs[before] for before, after in itertools.pairwise(changes))
        case order:
            assert order[-1] == 0
            assert len(set(order)) == len(order)
            place = {change: i for i, change in enumerate(order)}
            assert all(place[need] < place[one] for one in order for need in needs.get(one, ()))


def test_a_chain_of_thousands_is_no_deep_call() -> None:
    needs = {n: [n + 1] for n in range(50_000)}
    assert in_order(0, needs) == tuple(range(50_000, -1, -1))
