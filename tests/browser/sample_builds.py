"""What the builds of the sample are made of: names of tests, a recorded stream of failures, and log lines."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from xenci.tempest.follower import Follower

BAD = Path(__file__).parents[1] / "data" / "subunit" / "xen417-nova31-bad.subunit"
SERVER = "6af48a8e-3553-492a-95f8-0457fc82e26a"
REQUEST = "req-dcdbc006-126e-45bc-ac84-d0d3392b385f"
#: libvirt's own words about the change that breaks Xen
CAUSE = "unsupported configuration: unsupported timer type (name) 'pit'"
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'\"&amp;{{7*7}}"
CARRY = [
    "libvirt: Cope with gaps in libvirt drivers other than QEMU's",
    "libvirt: Add the xen virt_type and describe Xen hosts",
    "libvirt: Boot paravirtualized and fully virtualized guests on Xen",
    "libvirt: Live migrate guests on Xen with shared storage",
]
_API = "tempest.api.compute"
GOOD_TESTS = [
    f"{_API}.{path}[id-{i:08x}-929c-4a8e-81be-ec3a7e03cb76,smoke]"
    for i, path in enumerate(
        [
            "test_versions.TestVersions.test_get_version_details",
            "test_versions.TestVersions.test_list_api_versions",
            *(
                f"flavors.test_flavors.FlavorsV2TestJSON.test_{name}"
                for name in ("get_flavor", "list_flavors", "list_flavors_detailed_filter_by_min_disk",
                             "list_flavors_detailed_filter_by_min_ram", "list_flavors_with_detail")
            ),
            *(
                f"admin.test_hypervisor.HypervisorAdminTestJSON.test_get_hypervisor_{name}"
                for name in ("list", "list_details", "show_details", "stats", "uptime")
            ),
            *(
                f"keypairs.test_keypairs.KeyPairsV2TestJSON.test_{name}"
                for name in ("get_keypair_detail", "keypair_create_delete", "keypairs_create_list_delete")
            ),
            *(f"test_quotas.QuotasTestJSON.test_{name}" for name in ("get_quotas", "get_default_quotas")),
            *(
                f"servers.test_server_group.ServerGroupTestJSON.test_create_delete_{name}"
                for name in ("multiple_server_groups_with_same_name_policy", "server_group_with_affinity_policy")
            ),
            *(
                f"servers.test_create_server.ServersTestJSON.test_{name}"
                for name in ("host_name_is_same_as_server_name", "list_servers", "list_servers_with_detail",
                             "verify_created_server_vcpus", "verify_server_details")
            ),
            *(
                f"servers.test_server_actions.ServerActionsTestJSON.test_{name}"
                for name in ("reboot_server_hard", "stop_start_server", "get_console_output")
            ),
        ]
    )
]  # fmt: skip


def bad_tests() -> list[dict[str, Any]]:
    """Return the tests of the recorded run, then again, then on the tip, where they pass."""
    follower = Follower()
    first = {result.id: result for result in follower.feed(BAD.read_bytes())}
    rows: list[dict[str, Any]] = [
        {
            "run": "first", "test_id": result.id, "status": str(result.status), "started_at": result.started_at,
            "finished_at": result.finished_at, "detail": result.detail,
        }
        for result in first.values()
        if str(result.status) in ("success", "fail", "skip")
    ]  # fmt: skip
    failed = [row for row in rows if row["status"] == "fail"]
    rows += [{**row, "run": "again"} for row in failed]
    at = failed[0]["finished_at"] + timedelta(minutes=3)
    rows += [
        {
            "run": "tip", "test_id": test_id, "status": "success", "started_at": at, "finished_at": at, "detail": "",
        }
        for test_id in GOOD_TESTS
        if ".test_create_server." in test_id
    ]  # fmt: skip
    return rows


def bad_logs() -> dict[str, bytes]:
    """Return Nova's, libvirt's, libxl's and Tempest's logs around the recorded failure (15:41:05 UTC)."""
    nova = [_nova(38, 45, 0, "DEBUG", "nova.compute.manager", "Start spawning the instance on the hypervisor.")]
    nova += [_nova(38, 46, i, "DEBUG", "nova.virt.libvirt.driver", f"Lock {i} acquired") for i in range(300)]
    trace = [
        "Failed to start libvirt guest: libvirt.libvirtError: " + CAUSE,
        "Traceback (most recent call last):",
        '  File "/opt/stack/nova/nova/virt/libvirt/guest.py", line 165, in launch',
        "    return self._domain.createWithFlags(flags)",
        "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "libvirt.libvirtError: " + CAUSE,
    ]
    nova += [_nova(39, 2, 310, "ERROR", "nova.virt.libvirt.driver", text) for text in trace]
    nova += [
        _nova(39, 3, 101, "ERROR", "nova.compute.manager", f"Instance failed to spawn: libvirt.libvirtError: {CAUSE}"),
        _nova(39, 3, 300, "INFO", "nova.compute.manager", "Terminating instance"),
        _nova(40, 45, 15, "WARNING", "nova.scheduler.utils",
              "Failed to compute_task_build_instances: Exceeded maximum number of retries."),
        _nova(40, 45, 40, "WARNING", "nova.scheduler.utils", "Setting instance to ERROR state."),
    ]  # fmt: skip
    libvirtd = [
        "2026-11-21 15:20:01.000+0000: 612: info : libvirt version: 9.0.0, package: 9.0.0-4+deb12u2",
        f"2026-11-21 15:39:02.101+0000: 618: error : libxlMakeDomCreateInfo:588 : {CAUSE}",
        f"2026-11-21 15:39:02.205+0000: 618: error : libxlDomainStart:1312 : {CAUSE}",
    ]
    libxl = [
        "2026-11-21 15:39:01.990+0000: libxl: libxl_create.c:2087:do_domain_create: Domain 0:ao 0x7f: create",
        "2026-11-21 15:39:02.080+0000: libxl: libxl_device.c:1141:device_hotplug: Domain 2:No hotplug script",
        "2026-11-21 15:39:02.150+0000: libxl: libxl_create.c:1272:initiate_domain_create: cannot create domain: -3",
    ]
    tempest = [
        f"2026-11-21 15:38:44.101 901 INFO tempest.lib.common.rest_client [{REQUEST}] Request (ServersTestJSON:"
        "setUpClass): 202 POST http://127.0.0.1:8774/v2.1/servers 2.310s"
    ]
    console = ["Running the whole list on the change", "\x1b[32mready\x1b[0m in 41.2 s"]
    files = {
        "logs/nova.log": nova, "logs/libvirtd.log": libvirtd, "logs/libxl.log": libxl, "logs/tempest.log": tempest,
        "console/nova-first.log": console,
    }  # fmt: skip
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in files.items()}


def _nova(minute: int, second: int, milli: int, level: str, logger: str, text: str) -> str:
    return (
        f"2026-11-21 15:{minute:02d}:{second:02d}.{milli:03d} 899 {level} {logger} "
        f"[None {REQUEST} a68ed0413dbf4fff8195f16e4e2e468b - - default default] [instance: {SERVER}] {text}"
    )


def long_log(begins: datetime, lines: int) -> bytes:
    """Return a log of so many lines, ten a second."""
    text = []
    for i in range(lines):
        at = begins.astimezone(UTC) + timedelta(milliseconds=100 * i)
        level = "WARNING" if i % 500 == 499 else "INFO" if i % 20 == 3 else "DEBUG"
        text.append(
            f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} 899 {level} nova.compute.manager [-] line {i}"
        )
    return ("\n".join(text) + "\n").encode()
