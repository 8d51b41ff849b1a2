#!/bin/sh
# collect.sh OUT LIMIT [NAME=PATH].. : on a Xen host, gather what a build must publish in the folder OUT, made anew.
# A file longer than LIMIT bytes keeps its end, says so in its first line and in the manifest, OUT/manifest.txt, which
# is printed: size, `cut` or `-`, name.
# NAME=PATH: further files; NAME/=FOLDER: the files of a folder. No command may hang: each has an end in time.
# XENCI_ROOT: a folder in place of / for the known files, so that the script can be tried anywhere.
LC_ALL=C; export LC_ALL
out=$1; limit=$2; shift 2
root=${XENCI_ROOT:-}
rm -rf "$out" "$out.cut"; mkdir -p "$out" || exit 1
: > "$out.cut"

# Each command costs an emulated machine much of a tenth of a second, so what the shell can do itself, it does.
plain() {   # plain NAME: sets $plain, of characters that are allowed, no part of it beginning with a dot
    case $1 in
        *[!A-Za-z0-9_.@=,:+~/-]* | .* | */.*) plain=$(printf %s "$1" | sed 's/[^A-Za-z0-9_.@=,:+~/-]/_/g; s/^\./_/; s/\/\./\/_/g');;
        *) plain=$1;;
    esac
}
room() {    # room NAME: sets $to, the path for a file, its folder made
    to=$out/$1
    [ -d "${to%/*}" ] || mkdir -p "${to%/*}"
}
keep() {    # keep NAME PATH [SIZE]: a file; one that is not there is left out
    [ -f "$2" ] || return 0
    size=${3:-$(stat -L -c %s "$2")} || return 0
    plain "$1"; room "$plain"
    if [ "$size" -gt "$limit" ]; then
        { echo "[$((size - limit)) bytes before this line were left out]"; tail -c "$limit" "$2"; } > "$to"
        echo "$plain" >> "$out.cut"
    else
        cat "$2" > "$to"
    fi
}
keep_all() {    # keep_all NAME FOLDER: its files, and those of its folders, at most 300 and three levels deep
    [ -d "$2" ] || return 0
    find "$2/" -maxdepth 3 -type f ! -size 0 -printf '%s %P\n' | sort -k 2 | head -n 300 | while IFS= read -r found; do
        keep "$1/${found#* }" "$2/${found#* }" "${found%% *}"
    done
}
said() {    # said NAME COMMAND..: what a command says, its errors too
    command -v "$2" > /dev/null || return 0
    room "$1"; shift
    timeout 60 "$@" 2>&1 | head -c "$limit" > "$to"
}
conf() {    # conf NAME PATH: a configuration file without what opens a door
    [ -f "$2" ] || return 0
    room "$1"
    mask < "$2" > "$to"
}
mask() {
    sed -E -e '/[=:][[:space:]]*([Tt]rue|[Ff]alse)[[:space:]]*$/b' \
        -e 's/^([[:space:]]*[A-Za-z0-9_]*([Pp]assword|passwd|secret|fixed_key|private_key|api_key|token)[[:space:]]*[=:][[:space:]]*)[^[:space:]].*$/\1***/' \
        -e 's#(://[^:/@[:space:]]*):[^@/[:space:]]+@#\1:***@#g'
}

# Xen
said xen/xl-info.txt xl info
said xen/xl-dmesg.txt xl dmesg
said xen/xl-list.txt xl list -v
said xen/xenstore.txt xenstore-ls -f
keep_all xen/log "$root/var/log/xen"

# libvirt; the libxl driver's log is in its folder
said libvirt/version.txt virsh -c xen:///system version
said libvirt/domains.txt virsh -c xen:///system list --all
said libvirt/capabilities.xml virsh -c xen:///system capabilities
keep_all libvirt/log "$root/var/log/libvirt"

# Nova and its neighbours, the guests' consoles
keep_all openstack "$root/opt/cloud/log"
for file in "$root"/opt/cloud/state/instances/*/console.log; do
    folder=${file%/console.log}; keep "guests/${folder##*/}-console.log" "$file"
done
keep_all guests/xenconsoled "$root/var/log/xen/console"
for part in nova placement keystone glance neutron; do
    for file in "$root/opt/cloud/$part"/*.conf; do conf "conf/${file##*/}" "$file"; done
done

# Tempest
keep tempest/tempest.log "$root/opt/tempest/logs/tempest.log"
conf conf/tempest.conf "$root/opt/tempest/etc/tempest.conf"

# what it all is, and how the machine is
said versions/packages.txt dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' 'xen*' 'libxen*' 'libvirt*' 'qemu*' 'linux-image*' 'python3' 'seabios' 'ovmf'
said versions/kernel.txt uname -a
room versions/python.txt
for info in "$root"/opt/cloud/venv/lib/python3*/site-packages/*.dist-info; do [ -d "$info" ] && echo "${info##*/}"; done |
    sed 's/\.dist-info$//; s/-\([^-]*\)$/==\1/' > "$to"
[ ! -d "$root/opt/stack/nova/.git" ] || said versions/nova-tree.txt git -C "$root/opt/stack/nova" log -n 20 --format='%H %cI %s'
said system/journal.txt journalctl --no-pager -b -n 5000
said system/dmesg.txt dmesg
said system/processes.txt ps -eo pid,ppid,rss,etime,args
said system/memory.txt free -m
said system/disk.txt df -h

for more in "$@"; do
    name=${more%%=*}; path=${more#*=}
    case $name in
        */) keep_all "${name%/}" "$path";;
        *) keep "$name" "$path";;
    esac
done

find "$out" -type f -printf '%s %P\n' | sort -k 2 | awk -v cut="$out.cut" '
    BEGIN { while ((getline name < cut) > 0) is_cut[name] }
    { name = substr($0, index($0, " ") + 1); print $1, (name in is_cut) ? "cut" : "-", name }' > "$out.manifest"
rm -f "$out.cut"; mv "$out.manifest" "$out/manifest.txt"; cat "$out/manifest.txt"
