"""The loops: listener, consider, prepare, dispatch, advance, report, pool, tick; and the engine that runs them.

What lives here: short, repeatable steps. Each looks at the rows and at the world, does one thing, writes what it saw.
What may not: calls of an SDK (that is the adapters' work), HTML, sentences for people beyond a row's reason.
"""
