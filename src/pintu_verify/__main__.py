"""`python -m pintu_verify`."""

import sys

from pintu_verify.program import main

sys.exit(main())
