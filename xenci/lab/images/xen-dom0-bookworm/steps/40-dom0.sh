# set up dom0: units on and off, host keys, initrd; what QEMU boots goes beside the disk
. "$IMAGE/lib.sh"
rm -f "$root"/etc/ssh/ssh_host_* "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf" "$root/etc/apt/apt.conf.d/98host" "$root/etc/pip.conf"; : > "$root/etc/resolv.conf"
echo > "$root/etc/apt/sources.list"
for kind in ed25519 ecdsa; do inside ssh-keygen -q -t $kind -N '' -f /etc/ssh/ssh_host_${kind}_key; done
cp -T "$IMAGE/root/etc/hosts" "$root/etc/hosts"
inside systemctl -q disable networking 2> /dev/null || true
inside systemctl -q enable systemd-networkd ssh mariadb libvirtd xen qemu-guest-agent openstack@{keystone,placement,glance,neutron} nova tempest
inside systemctl -q mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer systemd-timesyncd.service \
    libvirt-guests.service xendomains.service systemd-machined.service machines.target sys-kernel-debug.mount sys-kernel-tracing.mount dev-mqueue.mount \
    modprobe@drm.service modprobe@configfs.service modprobe@efi_pstore.service systemd-pstore.service getty@tty1.service systemd-update-utmp.service \
    logrotate.timer logrotate.service systemd-tmpfiles-clean.timer systemd-networkd-wait-online.service ebtables.service nftables.service \
    dpkg-db-backup.timer systemd-binfmt.service open-iscsi.service iscsid.service
inside pam-auth-update --package --remove systemd       # no session manager for each SSH login
inside update-initramfs -u
cp "$root"/boot/vmlinuz-6.*-amd64 "$GOLDEN/vmlinuz"; cp "$root"/boot/initrd.img-6.*-amd64 "$GOLDEN/initrd"
zcat "$root/boot/xen-4.17-amd64.gz" > "$GOLDEN/xen.elf"; cp "$IMAGE/machine.json" "$GOLDEN/"
