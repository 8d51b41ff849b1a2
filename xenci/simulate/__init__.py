"""A week of the CI in seconds: the real rules of trigger, dispatch and pool, on a virtual clock.

What lives here: synthetic traffic, the virtual clock with its nodes and builds, and the figures of a run. What may not:
the database, clouds, nodes, the real clock; and no rule of its own about whom to serve or what to launch. All chance
comes from a seed.
"""
