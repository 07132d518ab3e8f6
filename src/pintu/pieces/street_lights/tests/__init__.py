"""The piece alone: no city, no network beyond loopback."""
