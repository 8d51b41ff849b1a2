# make kernel, initrd (it is all of the machine) and an empty disk, on which a tar file keeps what must last
tree=$BUILD/rootfs root=$BUILD/root
rm -rf "$root"
mkdir -p "$root"/{bin,sbin,lib64,modules,proc,sys,dev/pts,run,tmp,root,www,etc/dropbear,usr/local/sbin,var/run}
cp "$tree"/kernel/boot/vmlinuz-* "$GOLDEN/vmlinuz"
cp "$IMAGE/machine.json" "$GOLDEN/"

# the programs, and the libraries that they name
cp "$tree/all/bin/busybox" "$root/bin/"
cp "$tree"/all/usr/{sbin/qemu-ga,sbin/dropbear,bin/dropbearkey} "$root/bin/"
cp -L "$tree/all/lib64/ld-linux-x86-64.so.2" "$root/lib64/"
for library in c m z glib-2.0 gmodule-2.0 numa udev uring pcre2-8 crypt tomcrypt tommath gmp; do
    file=$(find "$tree/all" -name "lib$library.so.*" | sort | head -1)
    for name in $(find "$tree/all" -name "lib$library.so.*" -printf '%f\n'); do cp -L "$file" "$root/lib64/$name"; done
done
for program in qemu-ga dropbear dropbearkey; do
    if "$root/lib64/ld-linux-x86-64.so.2" --library-path "$root/lib64" --list "$root/bin/$program" | grep "not found"; then
        echo "$program misses a library"; exit 1
    fi
done
# virtio_ring comes before virtio; modules that this kernel has built in are not there
for module in failover net_failover virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk virtio_net virtio_console virtio-rng; do
    file=$(find "$tree/kernel/lib/modules" -name "$module.ko")
    [ -z "$file" ] || { cp "$file" "$root/modules/"; echo $module >> "$root/modules/order"; }
done
cp -rT "$IMAGE/root" "$root"
chmod 755 "$root"/init "$root"/sbin/shutdown "$root"/usr/local/sbin/instance-init
(cd "$root"; find . | sort | bin/busybox cpio -o -H newc 2> /dev/null | gzip -1n > "$GOLDEN/initrd")
rm -f "$GOLDEN/disk.qcow2"
qemu-img create -q -f qcow2 "$GOLDEN/disk.qcow2" 64M
