# make the disk: one ext4 file system without a partition table (QEMU boots kernel and Xen directly), and an overlay
. "$IMAGE/lib.sh"
rm -f "$GOLDEN"/{base.raw,disk.qcow2,memory.zst} "$BUILD/machine/untouched.qcow2"
mke2fs -q -t ext4 -L xennode -O ^metadata_csum_seed,^orphan_file -m 0 -d "$root" "$GOLDEN/base.raw" 8000M
cd "$GOLDEN"; qemu-img create -q -f qcow2 -F raw -b base.raw disk.qcow2
