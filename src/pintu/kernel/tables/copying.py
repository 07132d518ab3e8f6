"""Private tables copied row by row, whichever stores they lie on."""
