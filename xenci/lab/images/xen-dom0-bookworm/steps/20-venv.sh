# install OpenStack 2025.1 and Tempest with pip; Nova's and Tempest's packages are taken out again, their metadata stays
# A .pth line comes after site-packages: the wheel's nova would win over the tree, and every change would pass.
. "$IMAGE/lib.sh"
grep -v '@ file:' "$IMAGE/pins.txt" > "$root/tmp/pins.txt"
v=/opt/cloud/venv
rm -rf "$root/opt/cloud"; mkdir -p "$root/opt/cloud"
PIP_STORE=$(python3 -m pip cache dir 2> /dev/null || true)
[ -d "$PIP_STORE" ] || PIP_STORE=
export ONLINE=1 PIP_STORE ONLINE_FILES=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}
inside python3 -m venv $v
inside $v/bin/pip install -q --no-compile -c /tmp/pins.txt nova==$NOVA_VERSION keystone==27.1.0 glance==30.2.0 openstack-placement==13.0.1 neutron==26.0.6 \
    tempest==$TEMPEST_VERSION PyMySQL python-openstackclient openstacksdk pymemcache python-memcached waitress
site=$(echo "$root"$v/lib/python3*/site-packages)
rm -rf "$site/nova" "$site/tempest" "$root/tmp/pins.txt" "$root/root/.cache"
printf '/opt/stack/%s\n' nova tempest > "$site/stack.pth"
inside $v/bin/pip list --format=freeze | grep -i -E '^(nova|keystone|glance|neutron|openstack-placement|tempest|python-subunit)='
