"""The one door to PostgreSQL.

What lives here: the tables, the session, an embedded cluster for who has no PostgreSQL, and the queries that more than
one room asks. What may not: decisions (`xenci/rules/`), and any other outside thing.
"""
