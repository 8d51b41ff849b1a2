# download and unpack the Debian packages whose programs the stand-in has; nothing is installed
tree=$BUILD/rootfs
rm -rf "$tree" "$BUILD/debs"
mkdir -p "$tree" "$BUILD/debs"
cloud_kernel() { apt-cache depends linux-image-cloud-amd64 2> /dev/null | sed -n 's/.*Depends: //p' | head -1; }
if [ -z "$(cloud_kernel)" ]; then apt-get -q -o DPkg::Lock::Timeout=600 update; fi
cd "$BUILD/debs"
apt-get -q download "$(cloud_kernel)" busybox-static dropbear-bin qemu-guest-agent libc6 libglib2.0-0 libnuma1 libudev1 liburing2 \
    libpcre2-8-0 libcrypt1 libtomcrypt1 libtommath1 libgmp10 zlib1g
for deb in ./*.deb; do
    case $deb in ./linux-image-*) dpkg-deb -x "$deb" "$tree/kernel";; *) dpkg-deb -x "$deb" "$tree/all";; esac
done
rm -rf "$tree"/all/usr/share "$BUILD/debs"
