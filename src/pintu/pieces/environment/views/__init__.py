"""(7) Pages, read by the engine of pages without code; layers and the work list stand in
piece.toml."""
