# shellcheck shell=bash
# lib.sh : what the steps share.  Sourced; the engine gives BUILD, GOLDEN, IMAGE, REPOSITORY and what concerns Nova.
set -euo pipefail
umask 022
root=$BUILD/rootfs                              # the node's disk while it is built

mirror() {      # the Debian mirror that this machine's apt is set up for
    local found
    found=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | awk '$2 == "bookworm" { print $1; exit }')
    [ -n "$found" ] || { echo "apt on this machine knows no mirror of Debian bookworm" >&2; return 1; }
    echo "$found"
}

# inside CMD..: run CMD in the node's root, in namespaces of its own: only a loopback network, nothing it started survives.
# ONLINE=1 keeps this machine's network, name resolution, pip's configuration and cache.
inside() {
    local net=--net
    [ -z "${ONLINE:-}" ] || net=
    PIP_STORE=${PIP_STORE:-} unshare $net --mount --pid --uts --fork --kill-child bash -c '
        set -e; root=$0; mount --make-rprivate /
        mount -t proc proc $root/proc; mount -t sysfs sys $root/sys; mount --bind /dev $root/dev; mount -t tmpfs tmpfs $root/run
        mount -t devpts -o newinstance,ptmxmode=666 devpts $root/dev/pts; mkdir -p $root/run/lock
        hostname xennode
        if [ -z "${ONLINE:-}" ]; then ip link set lo up
        else
            for f in /etc/resolv.conf /etc/hosts /etc/pip.conf ${ONLINE_FILES:-}; do
                [ -e $f ] || continue; [ -e $root$f ] || install -D /dev/null $root$f; mount --bind -o ro $f $root$f; done
            if [ -n "$PIP_STORE" ]; then mkdir -p $root/root/.cache/pip; mount --bind "$PIP_STORE" $root/root/.cache/pip; fi
        fi
        exec chroot $root /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive TERM=dumb $(env | grep -E "^(PIP_[A-Z_]*|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)=[^ ]*$" || true) "$@"' "$root" "$@"
}
