"""Backup jobs of a running domain: its disk is copied to a file of its own, as it is when the job begins."""

from typing import Any
from xml.etree import ElementTree as ET

from xenci.providers.libvirt_xml import DISK


def begin_backup(domain: Any, path: str) -> bool:
    """Begin to copy a domain's disk to a new file; return False if the driver has no backups."""
    import libvirt

    root = ET.Element("domainbackup", mode="push")
    disk = ET.SubElement(ET.SubElement(root, "disks"), "disk", name=DISK, type="file", backup="yes")
    ET.SubElement(disk, "driver", type="qcow2")
    ET.SubElement(disk, "target", file=path)
    try:
        domain.backupBegin(ET.tostring(root, encoding="unicode"), None, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_UNSUPPORTED):
            return False
        raise
    return True


def backup_succeeded(domain: Any, path: str) -> bool | None:
    """Tell how the domain's last backup ended; None while it runs. False where libvirt does not know any more.

    It must have begun for `path`, and no other since.
    """
    import libvirt

    if _runs(domain, path):
        return None
    kept = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
    told = domain.jobStats(kept)
    is_backup = told.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP
    is_completed = told.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED
    return bool(is_backup and is_completed and told.get(libvirt.VIR_DOMAIN_JOB_SUCCESS))


def abort_backup(domain: Any, path: str) -> None:
    """End the backup to a file, if it runs."""
    if _runs(domain, path):
        domain.abortJob()


def _runs(domain: Any, path: str) -> bool:
    import libvirt

    try:
        described = domain.backupGetXMLDesc(0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_BACKUP:
            return False
        raise
    return any(target.get("file") == path for target in ET.fromstring(described).iter("target"))
