"""Nova's compute driver of the lab: every server is a real machine, a QEMU process restored from a golden image.

A Glance image names its golden folder by the property `lab_machine`. Its data does not matter, except in a server's
snapshot (property `lab_snapshot`): there it is what the server wrote over the golden disk. A machine made from one
boots cold.

The server's fixed addresses are addresses of this host (the tenants' subnets lie in 127.0.0.0/8), on which QEMU
forwards `forwarded_ports`. That is all of its network: the machine itself reaches neither this host nor anything
beyond (restrict=on).

The server's metadata goes in by the QEMU guest agent as soon as the machine runs; `instance-init` in the machine takes
it from there, as cloud-init would: clock, host name, SSH keys and host keys, user data, then sshd. A machine that is
stopped and started, or rebooted, boots cold from its own disk, and gets nothing again.

Faults, for tests, by image property or server metadata `lab_fault`:
  spawn     the build fails          dead      ACTIVE, but the machine never runs: SSH connects and hears nothing
  slow:N    SSH answers N s later    nokey     SSH answers, but refuses the key
"""

import os
import time
from typing import ClassVar

import nova.conf
from nova import exception
from nova.api.metadata import base as metadata
from nova.compute import power_state, task_states
from nova.image import glance
from nova.objects import fields
from nova.virt import driver, hardware
from nova.virt.labmachine import NO_ANSWER, Machine
from oslo_log import log as logging
from oslo_utils import versionutils

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)
CONSOLE_BYTES = 100 * 1024


class XenMachineDriver(driver.ComputeDriver):
    capabilities: ClassVar = driver.ComputeDriver.capabilities | {
        "supports_image_type_qcow2": True,
        "supports_image_type_raw": True,
    }

    def init_host(self, host):
        self.host = host
        os.makedirs(CONF.xenmachine.machines_path, exist_ok=True)
        if len(CONF.xenmachine.machines_path) > 108 - 48:
            raise exception.InvalidConfiguration("machines_path is too long for Unix sockets")
        LOG.info("machines found: %s", {u: Machine(u).pid for u in self.list_instance_uuids()})
        for uuid in self.list_instance_uuids():
            if Machine(uuid).pid:
                try:
                    Machine(uuid).resume()  # nova-compute may have been killed while it made a snapshot
                except NO_ANSWER as error:
                    LOG.warning("monitor of %s does not answer: %r", uuid, error)

    # What there is

    def get_available_nodes(self, refresh=False):
        return [self.host]

    def get_host_ip_addr(self):
        return CONF.my_ip

    def list_instance_uuids(self):
        return [u for u in os.listdir(CONF.xenmachine.machines_path) if Machine(u).exists]

    def list_instances(self):
        return self.list_instance_uuids()

    def instance_exists(self, instance):
        return Machine(instance.uuid).exists

    def get_info(self, instance, use_cache=True):
        machine = Machine(instance.uuid)
        if not machine.exists:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        state = power_state.RUNNING if machine.pid else power_state.SHUTDOWN
        return hardware.InstanceInfo(state=state)

    def get_console_output(self, context, instance):
        try:
            with open(Machine(instance.uuid).file("console.log"), "rb") as f:
                f.seek(max(0, os.fstat(f.fileno()).st_size - CONSOLE_BYTES))
                return f.read()
        except FileNotFoundError:
            return b""

    def get_available_resource(self, nodename):
        servers = CONF.xenmachine.servers
        return {
            "vcpus": servers * 4,
            "memory_mb": servers * 8192,
            "local_gb": servers * 80,
            "vcpus_used": 0,
            "memory_mb_used": 0,
            "local_gb_used": 0,
            "hypervisor_type": "QEMU",
            "hypervisor_version": versionutils.convert_version_to_int("7.2"),
            "hypervisor_hostname": nodename,
            "cpu_info": "{}",
            "disk_available_least": None,
            "numa_topology": None,
            "supported_instances": [(fields.Architecture.X86_64, fields.HVType.QEMU, fields.VMMode.HVM)],
        }

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        servers = CONF.xenmachine.servers
        provider_tree.update_inventory(
            nodename,
            {
                resource: {
                    "total": total,
                    "min_unit": 1,
                    "max_unit": total,
                    "step_size": 1,
                    "allocation_ratio": 1.0,
                    "reserved": 0,
                }
                for resource, total in (("VCPU", servers * 4), ("MEMORY_MB", servers * 8192), ("DISK_GB", servers * 80))
            },
        )

    # A server's life

    def spawn(
        self,
        context,
        instance,
        image_meta,
        injected_files,
        admin_password,
        allocations,
        network_info=None,
        block_device_info=None,
        power_on=True,
        accel_info=None,
    ):
        fault = instance.metadata.get("lab_fault") or instance.system_metadata.get("image_lab_fault") or ""
        name = instance.system_metadata.get("image_lab_machine")
        golden = os.path.join(CONF.xenmachine.golden_path, name or "")
        machine = Machine(instance.uuid)
        started = time.monotonic()
        try:
            if not name or "/" in name or not os.path.exists(os.path.join(golden, "machine.json")):
                raise RuntimeError("the image names no golden image (property lab_machine)")
            if fault == "spawn":
                raise RuntimeError("lab_fault=spawn")
            fetch = None
            if instance.system_metadata.get("image_lab_snapshot"):

                def fetch(path):
                    glance.API().download(context, image_meta.id, dest_path=path)

            machine.create(golden, self._addresses(network_info), fault, fetch)
            restored = machine.start(restore=True)
            if fault != "dead":
                if restored:
                    machine.wait_restored(CONF.xenmachine.restore_timeout)
                    LOG.info("restored after %.1f s", time.monotonic() - started, instance=instance)
                self._initialise(
                    machine,
                    instance,
                    network_info,
                    injected_files,
                    fault,
                    CONF.xenmachine.restore_timeout if restored else CONF.xenmachine.boot_timeout,
                )
            LOG.info("spawned after %.1f s", time.monotonic() - started, instance=instance)
        except Exception as error:
            LOG.exception("spawn failed", instance=instance)
            machine.stop()
            machine.remove()
            raise exception.BuildAbortException(
                instance_uuid=instance.uuid, reason=str(error) or repr(error)
            ) from error

    def _addresses(self, network_info):
        return [ip["address"] for vif in network_info or [] for ip in vif.fixed_ips()]

    def _initialise(self, machine, instance, network_info, injected_files, fault, timeout):
        """Hand the server's metadata to the machine, which does the rest by itself."""
        content = metadata.InstanceMetadata(instance, content=injected_files, network_info=network_info)
        with self._await_agent(machine, timeout) as agent:
            agent.write_file("/run/instance-meta_data.json", content.lookup("/openstack/latest/meta_data.json"))
            if content.userdata_raw is not None:
                agent.write_file("/run/instance-user_data", content.userdata_raw)
            delay = fault.partition(":")[2] if fault.startswith("slow") else "0"
            agent.run("/usr/local/sbin/instance-init", repr(time.time()), delay, fault)

    def _await_agent(self, machine, timeout):
        """Return the agent once it answers.

        QEMU lets one client in at a time and the guest may not listen yet: ask again.
        """
        end = time.monotonic() + timeout
        while True:
            try:
                return machine.agent(5)
            except NO_ANSWER as error:
                if machine.pid is None:
                    raise RuntimeError("the machine ended") from error
                if time.monotonic() > end:
                    raise RuntimeError("the machine's agent does not answer") from error
                time.sleep(0.5)

    def destroy(
        self, context, instance, network_info, block_device_info=None, destroy_disks=True, destroy_secrets=True
    ):
        machine = Machine(instance.uuid)
        machine.stop()
        if destroy_disks:
            machine.remove()

    def cleanup(
        self,
        context,
        instance,
        network_info,
        block_device_info=None,
        destroy_disks=True,
        migrate_data=None,
        destroy_vifs=True,
        destroy_secrets=True,
    ):
        self.destroy(context, instance, network_info, destroy_disks=destroy_disks)

    def power_off(self, instance, timeout=0, retry_interval=0):
        machine = Machine(instance.uuid)
        if timeout and machine.pid:
            machine.shutdown(timeout)
        machine.stop()

    def power_on(self, context, instance, network_info, block_device_info=None, accel_info=None, share_info=None):
        machine = Machine(instance.uuid)
        if not machine.exists:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        if machine.pid is None:
            if network_info is not None:
                machine.write_addresses(self._addresses(network_info))
            machine.start()

    def reboot(
        self,
        context,
        instance,
        network_info,
        reboot_type,
        block_device_info=None,
        bad_volumes_callback=None,
        accel_info=None,
        share_info=None,
    ):
        machine = Machine(instance.uuid)
        if reboot_type == "SOFT" and machine.pid and machine.reboot(CONF.xenmachine.reboot_timeout):
            return
        machine.stop()
        self.power_on(context, instance, network_info)

    def snapshot(self, context, instance, image_id, update_task_state):
        machine = Machine(instance.uuid)
        if not machine.exists:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        path = machine.file(f"snapshot-{image_id}.qcow2")
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        try:
            if machine.pid:
                machine.sync()
            machine.save_disk(path)
            update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
            images = glance.API()
            # lab_machine and the like come along: nova has copied the properties of the server's own image
            own = {"lab_snapshot": "true", "image_location": "snapshot", "image_state": "available"}
            values = {
                "name": images.get(context, image_id)["name"],
                "status": "active",
                "container_format": "bare",
                "disk_format": "qcow2",
                "properties": {**own, "owner_id": instance.project_id},
            }
            with open(path, "rb") as f:
                images.update(context, image_id, values, f, purge_props=False)
        finally:
            if os.path.exists(path):
                os.remove(path)

    # The network is this host's loopback: nothing to plug

    def plug_vifs(self, instance, network_info):
        pass

    def unplug_vifs(self, instance, network_info):
        pass
