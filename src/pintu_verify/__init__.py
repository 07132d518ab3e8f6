"""Checks what a Pintu city says of its sealed log, on anybody's machine, with public keys only.

A program of its own: it imports nothing of the city and shares no code with it, so that a mistake
there is not repeated here. It needs Python and `cryptography`, and no network.
Read `merkle`, `notes`, `sources`, then the three questions: `bundle`, `log`, `heads`.
"""

__all__: list[str] = []
