"""The nouns: frozen dataclasses and enums, with a `#:` line on each field and member.

What may not live here: behaviour beyond the noun itself, input or output, the clock.
"""
