"""`python -m bench [--quick] …`: every figure beside a floor of the same run."""

from __future__ import annotations

import sys

from bench import http_ops

if __name__ == "__main__":
    sys.exit(http_ops.main())
