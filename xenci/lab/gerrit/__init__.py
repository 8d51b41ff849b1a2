"""The lab's Gerrit: the real server, on the loopback, with the people and projects that a third-party CI meets.

What lives here: the war, the site, the process, the seed, and what a person would do in the browser (`review`).
What may not: anything that xenci itself uses to talk to a Gerrit; that is `xenci/gerrit/`, which the lab never imports,
so that a fault there is not hidden by the same fault here.
"""

from xenci.lab.gerrit.server import host_key, known_hosts, prepare, start, stop, url

__all__ = ["host_key", "known_hosts", "prepare", "start", "stop", "url"]
