"""What the numbers of HJ 212 mean: editions, commands, results and refusals."""

from __future__ import annotations

EDITIONS = {0: "HJ/T 212-2005", 1: "HJ 212-2017", 2: "HJ 212-2025"}
UPLOADS = {
    "2011": "real-time data",
    "2021": "state of devices",
    "2031": "data of a day",
    "2041": "hours devices ran in a day",
    "2051": "data of minutes",
    "2061": "data of an hour",
    "2081": "when the logger was switched on",
    "3019": "serial number of the logger",
    "3020": "what the station tells of itself",
}
"""Commands by which a station sends data (HJ 212-2017, 6.6.5)."""
RESULTS = {
    "1": "done",
    "2": "failed, nobody knows why",
    "3": "the request's conditions are wrong",
    "4": "timed out",
    "5": "busy",
    "6": "out of order",
    "100": "there is no data",
}
"""ExeRtn of a 9012: what became of a request."""
REFUSALS = {
    "1": "begins",
    "2": "refused",
    "3": "wrong password",
    "4": "wrong MN",
    "5": "wrong ST",
    "6": "wrong Flag",
    "7": "wrong QN",
    "8": "wrong CN",
    "9": "wrong CRC",
    "100": "unknown mistake",
}
"""QnRtn of a 9011: whether a request is begun."""
