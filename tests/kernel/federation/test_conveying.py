"""What of a request goes on to a source: what its registration says, never who the caller is."""

from __future__ import annotations

from pintu.kernel.federation.forwarding import FROM_REQUEST, conveyed


def test_a_header_of_the_request_goes_on_where_the_registration_says_so() -> None:
    """`urn:ngsi-ld:request` copies the caller's value (4.3.6.5); a header nobody sent is none."""
    info = (("user", FROM_REQUEST), ("absent", FROM_REQUEST), ("X-Key", "told"))
    came = {b"user": b"clerk", b"other": b"kept here"}
    assert ((b"user", b"clerk"), (b"X-Key", b"told")) == conveyed(info, came)


def test_nobody_who_registers_a_source_becomes_who_asks_it() -> None:
    """A caller's token and session stay here; a source's own token is the registration's to say."""
    info = (("Authorization", FROM_REQUEST), ("cookie", FROM_REQUEST))
    came = {b"authorization": b"Bearer of-a-data-officer", b"cookie": b"pintu=session"}
    assert () == conveyed(info, came)
    own = (("Authorization", "Bearer of-the-source"),)
    assert ((b"Authorization", b"Bearer of-the-source"),) == conveyed(own, came)
