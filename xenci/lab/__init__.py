"""The lab: the world of a third-party CI on one machine.

What lives here: a real Gerrit, two real OpenStack clouds, the images of the machines that they start, and the commands
that bring all of it up and down. It is the newcomer's demo, the operator's pre-production and the bed of the tests.

What may not: anything that production needs. Nothing outside `xenci/cli/` and the tests may import it. Code that runs
in another Python (`clouds/run/`, `images/*/root/`) is data here: not imported, not typed.
"""
