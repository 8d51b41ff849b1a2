"""What comments are made of: a good change, a bad one, a fault of our own, several jobs."""

from dataclasses import replace
from datetime import timedelta

from xenci.model.outcome import Fault, Result
from xenci.rules.message import BuildLine, FailedTest, MessageFacts, Versions

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
