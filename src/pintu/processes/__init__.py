"""The city's processes: a supervisor, the broker, the field; each a small program of its own."""
