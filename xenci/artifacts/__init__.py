"""Keeps what builds leave behind: logs, streams, configurations, by build and name.

What may not live here: rows of the database, what a page makes of a file, how a file is brought from a node.
"""
