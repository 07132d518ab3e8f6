"""The piece alone."""
