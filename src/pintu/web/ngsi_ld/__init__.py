"""NGSI-LD over HTTP: one broker of functions from request to response, under two thin adapters."""

from pintu.web.ngsi_ld.asgi import asgi
from pintu.web.ngsi_ld.broker import Broker
from pintu.web.ngsi_ld.fast_lane import fast_lane

__all__ = ["Broker", "asgi", "fast_lane"]
