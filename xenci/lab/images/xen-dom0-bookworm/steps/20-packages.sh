# install kernel, Xen, libvirt, MariaDB, Ansible and what makes a machine a cloud's machine
. "$IMAGE/lib.sh"
echo "deb $(mirror) bookworm main" > "$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(http|https|Check)' > "$root/etc/apt/apt.conf.d/98host" || true
echo 'Acquire::Languages "none"; APT::Install-Recommends "0"; Dpkg::Options {"--force-unsafe-io";};' > "$root/etc/apt/apt.conf.d/99lab"
printf 'path-exclude=/usr/share/%s/*\n' doc man locale > "$root/etc/dpkg/dpkg.cfg.d/lab"
mkdir -p "$root/etc/initramfs-tools/conf.d"         # a small initrd: emulated, every megabyte is felt
echo MODULES=list > "$root/etc/initramfs-tools/conf.d/modules"
printf '%s\n' virtio_pci virtio_blk virtio_net ext4 > "$root/etc/initramfs-tools/modules"
export ONLINE=1
inside dpkg --configure -a                          # an earlier attempt may have been killed
inside apt-get -q update
inside apt-get -q install -y linux-image-amd64 initramfs-tools xen-system-amd64 xen-hypervisor-4.17-amd64 xen-utils-4.17 \
    libvirt-daemon-system libvirt-daemon-driver-xen libvirt-clients qemu-system-x86 qemu-system-xen qemu-utils mariadb-server python3-libvirt \
    bridge-utils iptables genisoimage e2fsprogs curl qemu-guest-agent git sudo ansible-core
inside apt-get clean
rm -rf "$root"/var/lib/apt/lists/*
