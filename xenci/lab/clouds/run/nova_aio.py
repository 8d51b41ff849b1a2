"""nova_aio.py FOLDER PORT PLACEMENT_PORT [noncompute]: all of Nova, and Placement, in one process.

Nova's api, scheduler, conductor and compute talk over oslo.messaging's in-process fake:/ transport, which saves a
message broker and some 400 MB. FOLDER is the cloud's; its file `ready` says that nova-compute is known. With
`noncompute` only the two APIs serve. The clouds' Python runs this; SIGTERM ends it at once.
"""
# ruff: noqa: E402, I001, SIM115 (Nova's own patching must come before everything, the configuration before what reads it)

import nova.monkey_patch
import logging
import os
import signal
import sys
import time

import eventlet
import eventlet.event
import eventlet.wsgi

folder, port, placement_port, noncompute = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
sys.argv = ["nova"]
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
os.environ["OS_NOVA_CONFIG_DIR"] = os.path.join(folder, "nova")
os.environ["OS_NOVA_CONFIG_FILES"] = "api-paste.ini;nova.conf"
os.environ["OS_PLACEMENT_CONFIG_DIR"] = os.path.join(folder, "placement")

from oslo_messaging._drivers import impl_fake


class Bell:
    """The `time` of the fake transport, which looks for messages every 50 ms.

    Rung awake by each message it looks at once, else once a second: an idle cloud costs no processor time.
    """

    event = eventlet.event.Event()

    def __getattr__(self, name):
        return getattr(time, name)

    def sleep(self, seconds):
        with eventlet.Timeout(1, False):
            self.event.wait()

    def ring(self):
        self.event, event = eventlet.event.Event(), self.event
        event.send()


bell = impl_fake.time = Bell()
deliver = impl_fake.FakeExchange.deliver_message


def deliver_message(*args, **kwargs):
    deliver(*args, **kwargs)
    bell.ring()


impl_fake.FakeExchange.deliver_message = deliver_message


def listen(port, application):
    socket = eventlet.listen(("127.0.0.1", port), backlog=256)
    eventlet.spawn(eventlet.wsgi.server, socket, application, log=open(os.devnull, "w"), max_size=400)


from placement.wsgi import api as placement_api

listen(placement_port, placement_api.application)

from nova.api.openstack import wsgi_app

application = wsgi_app.init_application("osapi_compute")
import nova.virt
import os_vif

# the lab's compute driver becomes nova.virt.xenmachine
nova.virt.__path__.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "virt"))
import nova.conf
from nova import context, objects, service
from nova.objects import host_mapping
from oslo_config import cfg

nova.conf.CONF.register_opts([cfg.ListOpt("more_hosts", default=[], help="compute hosts beside `host`")], group="lab")
os_vif.initialize()
listen(port, application)
services = []


def start():
    """Start Nova's own services; each needs keystone, and the one before it, to answer: ask again."""
    hosts = [nova.conf.CONF.host, *nova.conf.CONF.lab.more_hosts]
    for name, host in (("conductor", hosts[0]), ("scheduler", hosts[0]), *(("compute", host) for host in hosts)):
        while True:
            try:
                one = service.Service.create(host=host, binary="nova-" + name, topic=name)
                one.start()
                services.append(one)
                break
            except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it is, it is said and tried again)
                logging.getLogger("nova").warning("%s: %s", name, error)
                eventlet.sleep(0.5)
    admin = context.get_admin_context()
    while len(objects.HostMappingList.get_by_cell_id(admin, None)) < len(hosts):
        host_mapping.discover_hosts(admin)
        eventlet.sleep(0.3)
    open(os.path.join(folder, "ready"), "w").close()


if not noncompute:
    eventlet.spawn(start)
while True:
    eventlet.sleep(3600)
