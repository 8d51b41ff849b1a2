"""serve.py NAME PORT FOLDER: one OpenStack API (keystone, glance or neutron) in one process; FOLDER is the cloud's.

The clouds' Python runs this. SIGTERM ends it at once: what it holds is in the database.
"""

import importlib
import os
import signal
import sys

name, port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.argv = [name]
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
os.environ[f"OS_{name.upper()}_CONFIG_DIR"] = os.path.join(folder, name)
os.environ["OS_NEUTRON_CONFIG_FILES"] = "neutron.conf"
application = importlib.import_module(f"{name}.wsgi.api").application

import waitress  # noqa: E402 (after the application, which may patch what it needs)

waitress.serve(application, listen=f"127.0.0.1:{port}", threads=8, clear_untrusted_proxy_headers=True, ident=None)
