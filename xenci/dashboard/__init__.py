"""The pages and their JSON twins, drawn from the store.

What lives here: the FastAPI application, the queries and the sentences of its pages, and the reading of logs
for people.
What may not: decisions (`xenci/rules/`), calls to clouds, nodes or Gerrit, and writes of any kind.
"""
