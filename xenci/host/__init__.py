"""The node over SSH: commands, detached units, files, the tree under test, Xen and libvirt, collected logs.

What may not live here: decisions about builds or nodes, other adapters, trust in anything that a node says.
"""
