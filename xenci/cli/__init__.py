"""`xenci <noun> <verb>`: parse, call, print.

What lives here: arguments, tables and JSON on a terminal, exit codes. What may not: logic; a command calls one room.
"""
