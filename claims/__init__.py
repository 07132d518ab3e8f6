"""What Pintu promises, measured now against its bar: `python -m claims NAME`."""
