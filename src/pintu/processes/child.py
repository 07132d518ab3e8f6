"""What every child of the supervisor does first: read what it is told, and set up its log."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from pintu.kernel.errors import ConfigurationError, PintuError, Unavailable
from pintu.processes.supervisor import WRONGLY_CONFIGURED
from pintu.settings import Settings, from_plain, store_changed


def told() -> tuple[Settings, dict[str, Any]]:
    """The settings the supervisor wrote to our stdin, and what else it wrote.

    Raises Unavailable when the city has moved since they were written.
    """
    plain = json.load(sys.stdin.buffer)
    more = {name: plain.pop(name, None) for name in ("listener", "lock")}
    settings = from_plain(plain)
    if store_changed(settings, os.environ)():  # the supervisor will tell us of the new store
        raise Unavailable("The city has moved to another store: it starts there")
    return settings, more


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
