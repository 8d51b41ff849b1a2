"""The edits of the lab's changes, on the lines of Nova 31.3.1 that they are about."""

import pytest

from xenci.lab.gerrit.people import CI
from xenci.lab.push import kinds
from xenci.lab.push.kinds import KINDS, PlaceIsGone

DRIVER = """\
class LibvirtDriver(driver.ComputeDriver):
    def _set_features(self, guest, os_type, image_meta, flavor):
        if CONF.libvirt.virt_type in ('qemu', 'kvm'):
            guest.add_feature(vconfig.LibvirtConfigGuestFeatureACPI())

    def _set_clock(self, guest, os_type, image_meta):
        clk = vconfig.LibvirtConfigGuestClock()
        if os_type == 'windows':
            LOG.info('Configuring timezone for windows instance to localtime')
            clk.offset = 'localtime'
        else:
            clk.offset = 'utc'
        guest.set_clock(clk)

        if CONF.libvirt.virt_type == "kvm":
            self._set_kvm_timers(clk, os_type, image_meta)

    def _set_kvm_timers(self, clk, os_type, image_meta):
        return
"""
UTILS = """\
LOG = logging.getLogger(__name__)

RESIZE_SNAPSHOT_NAME = 'nova-resize'

# Mapping used to convert libvirt cpu features to traits, for more details, see
# the map of CPUs in libvirt's sources
CPU_TRAITS_MAPPING = {}
"""
FLAVORS = """\
class ViewBuilder(common.ViewBuilder):
    def basic(self, request, flavor):
        return {
            "flavor": {
                "id": flavor["flavorid"],
                "name": flavor["name"],
            },
        }

    def show(self, request, flavor):
        return {
            "flavor": {
                "id": flavor["flavorid"],
                "name": flavor["name"],
                "ram": flavor["memory_mb"],
            },
        }
"""
DOCUMENT = "Flavors\n=======\n\nOverview\n--------\n\nA flavor consists of the following parameters:\n"
FILES = {kinds.DRIVER: DRIVER, kinds.UTILS: UTILS, kinds.FLAVORS: FLAVORS, kinds.DOCUMENT: DOCUMENT}


def changed_lines(before: str, after: str) -> set[str]:
    return {line.strip() for line in set(before.splitlines()) ^ set(after.splitlines()) if line.strip()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_two_pushes_of_a_kind_differ_so_that_gerrit_takes_both(kind: kinds.Kind) -> None:
    before = FILES[kind.file]
    assert len({before, kind.edit(before, "aaaaaa"), kind.edit(before, "bbbbbb")}) == 3


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.name != "broken"], ids=lambda kind: kind.name)
def test_a_file_without_the_place_is_refused_instead_of_left_as_it_is(kind: kinds.Kind) -> None:
    with pytest.raises(PlaceIsGone):
        kind.edit("nothing of the kind\n", "aaaaaa")


@pytest.mark.parametrize("name", ["good", "bad", "conflict", "carry-conflict", "wrong-flavor"])
def test_what_is_meant_to_start_is_python(name: str) -> None:
    kind = KINDS[name]
    compile(kind.edit(FILES[kind.file], "aaaaaa"), kind.file, "exec")


def test_the_broken_change_is_no_python() -> None:
    with pytest.raises(SyntaxError):
        compile(KINDS["broken"].edit(UTILS, "aaaaaa"), "utils.py", "exec")


def test_the_bad_change_takes_out_one_condition_and_keeps_the_call() -> None:
    after = KINDS["bad"].edit(DRIVER, "aaaaaa")
    assert changed_lines(DRIVER, after) == {
        'if CONF.libvirt.virt_type == "kvm":',
        "# every guest keeps better time with them [aaaaaa]",
        "self._set_kvm_timers(clk, os_type, image_meta)",
    }
    assert "        self._set_kvm_timers(clk, os_type, image_meta)\n" in after
    assert "raise" not in after


def test_the_good_change_changes_a_logs_words_alone() -> None:
    after = KINDS["good"].edit(DRIVER, "aaaaaa")
    assert all(line.startswith("LOG.info('") for line in changed_lines(DRIVER, after))
    again = KINDS["good"].edit(after, "bbbbbb")
    assert changed_lines(after, again)


def test_a_comment_can_be_reworded_over_and_over() -> None:
    text = UTILS
    for serial in ("aaaaaa", "bbbbbb", "cccccc"):
        text = KINDS["conflict"].edit(text, serial)
    assert "cccccc" in text
    assert "bbbbbb" not in text
    assert len(text.splitlines()) == len(UTILS.splitlines())


def test_every_message_is_a_subject_and_a_body_that_gerrit_can_give_a_footer() -> None:
    for kind in KINDS.values():
        subject, blank, *body = kind.message.split("\n")
        assert 10 < len(subject) <= 72
        assert blank == ""
        assert body


def test_the_cis_name_is_one_that_gerrits_results_tab_shows() -> None:
    assert CI.display == "Xen Project CI"
