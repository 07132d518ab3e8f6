"""Calls to addresses that somebody else wrote: HTTP/1.1 over kept connections, checked and bounded.

`Caller(egress).call(Ask(...))` answers with a `Reply` of any status, redirects included: they are
not followed. What went wrong on the way is raised: Forbidden (an address that may not be reached),
TooLarge (an answer over its limit), Unavailable with `kind_of(error)` for the rest.
"""

from pintu.kernel.calling.caller import Caller, Under
from pintu.kernel.calling.words import Ask, Kind, Reply, kind_of

__all__ = ["Ask", "Caller", "Kind", "Reply", "Under", "kind_of"]
