"""What every child of the supervisor does first: read what it is told, and set up its log."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.processes.supervisor import WRONGLY_CONFIGURED
from pintu.settings import Settings, from_plain


def told() -> tuple[Settings, dict[str, Any]]:
    """The settings the supervisor wrote to our stdin, and what else it wrote."""
    plain = json.load(sys.stdin.buffer)
    more = {"listener": plain.pop("listener", None)}
    return from_plain(plain), more


def run_child(name: str, program: Callable[[], None]) -> None:
    """Run a child's program; what it cannot be configured for ends it with one sentence."""
    level = os.environ.get("PINTU_LOG", "WARNING").upper()
    logging.basicConfig(
        level=getattr(logging, level, logging.WARNING),
        format=f"%(asctime)s {name} %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        program()
    except ConfigurationError as error:
        for mistake in error.mistakes:
            logging.error("%s", mistake)
        sys.exit(WRONGLY_CONFIGURED)
    except PintuError as error:
        logging.error("%s", error.detail or error.title)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)
