"""Pintu turns a city's separate systems into one picture."""

__version__ = "0.1.0"
