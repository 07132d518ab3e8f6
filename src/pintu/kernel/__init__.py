"""The rooms every system stands on; the kernel names no piece."""
