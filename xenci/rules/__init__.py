"""One pure file for each arrow of the flow.

What lives here: decisions, as functions of their arguments. What may not: input and output, the clock, randomness;
they come in as arguments. A decision is a frozen value that carries its reasons.
"""
