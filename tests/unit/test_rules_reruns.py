"""Which tests run once more when a class could not be set up."""

import pytest

from xenci.rules.reruns import names

FAILED = frozenset({"setUpClass (tempest.api.ServerActions)", "tempest.api.Flavors.test_list[id-1,smoke]"})


@pytest.mark.parametrize(
    ("listed", "repeated"),
    [
        # nothing is known of the list, or the class is in it, or a module around it: the class
        ((), "tempest.api.ServerActions"),
        (("tempest.api.ServerActions",), "tempest.api.ServerActions"),
        (("tempest.api",), "tempest.api.ServerActions"),
        # only two of its thirty tests are listed: one of them sets it up, and takes no half hour
        (("tempest.api.ServerActions.test_b", "tempest.api.ServerActions.test_a"), "tempest.api.ServerActions.test_b"),
        # another class with a longer name is another class
        (("tempest.api.ServerActionsV2.test_a",), "tempest.api.ServerActions"),
    ],
)
def test_of_a_class_that_could_not_be_set_up_no_more_is_repeated_than_was_listed(
    listed: tuple[str, ...], repeated: str
) -> None:
    assert names(FAILED, listed) == (repeated, "tempest.api.Flavors.test_list")
