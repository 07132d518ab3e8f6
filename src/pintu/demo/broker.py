"""An MQTT broker in this process, for machines that have none: amqtt, on loopback unless told
otherwise."""

from __future__ import annotations

import logging
from typing import Any

from amqtt.broker import Broker
from amqtt.errors import BrokerError


async def start_broker(host: str, port: int) -> Any:
    """A running broker; `await broker.shutdown()` ends it. OSError when the port is taken."""
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(
            logging.CRITICAL
        )  # what goes wrong is raised, not only logged
    broker = Broker(
        {
            "listeners": {
                "default": {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 200}
            },
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    try:
        await broker.start()
    except BrokerError as error:
        raise OSError(str(error)) from error
    return broker
