"""Doors: the ways in that need no code of a piece, each told by data what to read."""
