# install a small Debian 12 with Python, enough for packages and virtual environment to be made side by side
. "$IMAGE/lib.sh"
rm -rf "$root"
debootstrap --variant=minbase --include=systemd-sysv,udev,openssh-server,iproute2,kmod,ca-certificates,dbus,less,procps,netbase,busybox-static,cpio,zstd,python3,python3-venv \
    bookworm "$root" "$(mirror)"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"; chmod +x "$root/usr/sbin/policy-rc.d"    # no service starts while packages install
