"""`python -m bench [--quick] [--full]`: every figure beside its goal and a floor of its run."""

from __future__ import annotations

import sys

from bench import table

if __name__ == "__main__":
    sys.exit(table.main())
