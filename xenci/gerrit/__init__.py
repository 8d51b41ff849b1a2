"""The one door to Gerrit: its stream of events, its REST interface, and its git repositories.

What lives here: port.py (the shapes the rest of xenci sees), the stream over SSH, the parser of its lines, REST, and
trees: what is to be tested, merged and with its carry. What may not: decisions about any of it (`xenci/rules/`), the
database.
"""
