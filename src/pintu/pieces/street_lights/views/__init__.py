"""(7) The map layers and the work list are declared in piece.toml, so that they show without
importing code."""
