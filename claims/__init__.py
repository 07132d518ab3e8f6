"""What we promise, measured now against its bar: one file a capability."""
