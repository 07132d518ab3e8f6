"""Nodes: departments and cities that run their own Pintu and exchange data without a middle.

Each has its own store, keys, catalogue and log. Two operators compare fingerprints once; from then
on every call and every answer between them is signed, every answer is in two logs, and each log's
heads are countersigned by the neighbours.

Wiring: `nodes = open_nodes(tables, rooms)` after the log, the agreements and the gate are there;
`start()` and `stop()` with the city.
"""

from pintu.kernel.exchange.nodes.nodes import Nodes
from pintu.kernel.exchange.nodes.receiving import From, Received
from pintu.kernel.exchange.nodes.words import Abroad, Document, Fetched, Node, Offer

__all__ = ["Abroad", "Document", "Fetched", "From", "Node", "Nodes", "Offer", "Received"]
