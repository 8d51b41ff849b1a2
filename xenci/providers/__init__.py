"""One door to each cloud: create, list and delete the servers that are ours, read a console, read the limits.

What lives here: drivers, plain modules that satisfy the Protocol of `port.py`, and the translation of their errors.
What may not: decisions (which cloud, how many, when: `xenci/rules/`), the database, other adapters.
"""
