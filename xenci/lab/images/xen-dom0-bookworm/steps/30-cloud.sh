# make the cloud inside: configuration, Nova's and Tempest's git trees, a tiny PV guest, bytecode, databases seeded natively
. "$IMAGE/lib.sh"
[ -e "$root/etc/xen/scripts/vif-bridge.xen" ] || mv "$root"/etc/xen/scripts/vif-bridge{,.xen}
cp -rT "$IMAGE/root" "$root"
chmod 440 "$root/etc/sudoers.d/zuul"
site=$(echo "$root"/opt/cloud/venv/lib/python3*/site-packages)
cp -r "$root"/opt/cloud/site/. "$site/"; rm -rf "$root/opt/cloud/site"
for f in "$root"/usr/lib/python3/dist-packages/libvirt*; do ln -sf "${f#"$root"}" "$site/"; done
inside id zuul > /dev/null 2>&1 || inside useradd -m -s /bin/bash zuul

install -d -m 755 "$root/var/log/xen/console" "$root/var/log/libvirt/libxl" "$root/opt/tempest/logs"
rm -rf "$root/opt/stack"; mkdir -p "$root/opt/stack"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
plant() {       # plant NAME REPOSITORY BRANCH: the branch is told to who pushes, so only what is new is sent
    tree=$root/opt/stack/$1
    git clone -q --no-hardlinks -b "$3" "$2" "$tree"
    git -C "$tree" remote remove origin
    for setting in gc.auto=0 core.checkStat=minimal core.trustctime=false advice.detachedHead=false user.name=lab user.email=lab@lab.invalid; do
        git -C "$tree" config ${setting%%=*} ${setting#*=}; done    # minimal: the copied tree's index stays true
    printf '__pycache__\n*.pyc\n' >> "$tree/.git/info/exclude"
}
plant tempest "$TEMPEST_REPOSITORY" "$TEMPEST_BRANCH"
plant nova "$NOVA_REPOSITORY" "$NOVA_BRANCH"
git -C "$tree" checkout -q -b carried
git -C "$tree" am -q -3 --committer-date-is-author-date "$REPOSITORY"/configs/carry/nova-2025.1/000[1-4]*.patch
git -C "$tree" log --oneline
ln -sf /opt/stack/nova/etc/nova/api-paste.ini "$root/opt/cloud/nova/api-paste.ini"

guest=$root/opt/cloud/guest
python3 - "$root"/boot/vmlinuz-6.*-amd64 "$guest/vmlinux" <<'P'
import lzma, sys
packed = open(sys.argv[1], 'rb').read()
kernel = lzma.LZMADecompressor().decompress(packed[packed.index(b'\xfd7zXZ\x00'):])
assert kernel[:4] == b'\x7fELF'
open(sys.argv[2], 'wb').write(kernel)
P
w=$root/tmp/guest; rm -rf "$w"; mkdir -p "$w"/{bin,sbin,dev,proc,sys}
cp "$root/bin/busybox" "$w/bin/"; ln -s busybox "$w/bin/sh"; cp "$guest/init" "$w/init"; mknod "$w/dev/console" c 5 1
for k in poweroff reboot; do printf '#!/bin/busybox sh\n/bin/busybox %s -f\n' $k > "$w/sbin/$k"; done; chmod +x "$w"/init "$w"/sbin/*
inside sh -c 'cd /tmp/guest && find . | cpio -o -H newc --quiet | gzip -9' > "$guest/initrd.gz"; rm -rf "$w"
rm -f "$guest/root.raw"; truncate -s 4M "$guest/root.raw"

# checked-hash: git may touch a file's time; it is compiled again only if its text changed
inside /opt/cloud/venv/bin/python -m compileall -q -j 2 --invalidation-mode checked-hash -x '/nova/tests/' /opt/stack/nova/nova /opt/stack/tempest/tempest
inside /opt/cloud/venv/bin/python -m compileall -q -j 2 --invalidation-mode unchecked-hash -x '/(neutron|glance|keystone|placement)/tests/' /opt/cloud/venv/lib || true
inside bash /opt/cloud/bin/seed.sh
inside /opt/cloud/venv/bin/python -c 'import nova, tempest; print(nova.__file__, tempest.__file__)'
