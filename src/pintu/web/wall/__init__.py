"""The wall of the operations room: what it shows, what it is told, and the map under it."""
