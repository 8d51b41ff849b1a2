"""Reads what Tempest says: the subunit stream of a run, while it grows.

What may not live here: what follows from a result (see rules/tests.py), how the stream is brought from the node.
"""
