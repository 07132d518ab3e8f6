"""Requests bent every way: data and pure functions, each with what RFC 9112 lets a server do.

`OK`: it is a request and is carried out. `REFUSED`: 4xx, 501, 505 or a close, and nothing is
carried out. `EITHER`: both are right, as long as nothing is carried out that was not asked and both
doors do the same. `EACH`: RFC 9112 lets a parser forgive it or not, and the two parsers differ.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

Want = Literal["ok", "refused", "either", "each"]
OK: Want = "ok"
REFUSED: Want = "refused"
EITHER: Want = "either"
EACH: Want = "each"
ROOT = b"/ngsi-ld/v1/entities"
READ = ROOT + b"?type=Nothing"
SMUGGLED = b'{"id":"urn:ngsi-ld:Smuggled:%d","type":"Smuggled"}'
HOST = b"Host: 127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bend:
    """One connection's bytes. `whole`: a request that ends, so an answer or a close is due."""

    name: str
    data: bytes
    want: Want
    whole: bool = True
    creates: str = ""  # the entity it makes when it is carried out
    answers: int = 0  # of a pipeline: so many answers are due; 0: any


def body_of(id: str) -> bytes:
    """An entity of type Bent."""
    return json.dumps({"id": id, "type": "Bent", "n": {"type": "Property", "value": 1}}).encode()


def get(target: bytes = READ, *lines: bytes, start: bytes = b"GET", end: bytes = b"HTTP/1.1",
        host: bytes = HOST) -> bytes:  # fmt: skip
    """A request without a body."""
    first = start + b" " + target + (b" " + end if end else b"")
    return b"\r\n".join([first, *([host] if host else []), *lines]) + b"\r\n\r\n"


def post(body: bytes, *lines: bytes, length: bytes | None = None) -> bytes:
    """A creation; `length` is what Content-Length says, b"": nothing is said."""
    said = b"%d" % len(body) if length is None else length
    more = [b"Content-Length: " + said] if said else []
    return get(ROOT, b"Content-Type: application/json", *more, *lines, start=b"POST") + body


def chunked(*chunks: bytes) -> bytes:
    """Chunks as they should be, with the last one."""
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in chunks) + b"0\r\n\r\n"


def smuggled(number: int) -> bytes:
    """A whole creation that nobody may carry out. (Chunks are 411 in NGSI-LD, 6.3.4.)"""
    return post(SMUGGLED % number)


# --- the request line, headers, targets -----------------------------------------------------------
LINES: tuple[tuple[str, bytes, Want], ...] = (
    ("plain", get(), OK),
    ("method in small letters", get(start=b"get"), REFUSED),
    ("unknown method", get(start=b"FROB"), REFUSED),
    ("method of 20,000 letters", get(start=b"A" * 20_000), REFUSED),
    ("no method", b" /ngsi-ld/v1/types HTTP/1.1\r\n" + HOST + b"\r\n\r\n", REFUSED),
    ("method with a control character", get(start=b"GE\x01T"), REFUSED),
    ("two spaces", get(b" " + READ), EACH),
    ("a tab for a space", b"GET\t" + READ + b"\tHTTP/1.1\r\n" + HOST + b"\r\n\r\n", REFUSED),
    ("no version", get(end=b""), REFUSED),
    ("HTTP/0.9", get(end=b"HTTP/0.9"), REFUSED),
    ("HTTP/1.2", get(end=b"HTTP/1.2"), EITHER),
    ("HTTP/1.10", get(end=b"HTTP/1.10"), REFUSED),
    ("HTTP/1", get(end=b"HTTP/1"), REFUSED),
    ("HTTP/2.0", get(end=b"HTTP/2.0"), REFUSED),
    ("HTTP/3.0", get(end=b"HTTP/3.0"), REFUSED),
    ("HTTP/9.9", get(end=b"HTTP/9.9"), REFUSED),
    ("http/1.1", get(end=b"http/1.1"), REFUSED),
    ("HTPP/1.1", get(end=b"HTPP/1.1"), REFUSED),
    ("HTTP/1.0", get(end=b"HTTP/1.0"), OK),
    ("HTTP/1.0 without Host", get(end=b"HTTP/1.0", host=b""), EITHER),
    ("words after the version", get(end=b"HTTP/1.1 please"), REFUSED),
    ("an empty line before", b"\r\n" + get(), EACH),
    ("a hundred empty lines before", b"\r\n" * 100 + get(), EACH),
    ("bare LF", get().replace(b"\r\n", b"\n"), EACH),
    ("CR CR LF", get(READ, b"X: y").replace(b"y\r\n", b"y\r\r\n"), REFUSED),
    ("bare CR in a value", get(READ, b"X: a\rb"), REFUSED),
    ("NUL in a value", get(READ, b"X: a\0b"), REFUSED),
    ("NUL in a name", get(READ, b"X\0: a"), REFUSED),
    ("NUL in the target", get(READ + b"\0"), REFUSED),
    ("obs-text in a value", get(READ, b"X: \xe4\xb8\xad\xff"), EITHER),
    ("obs-text in a name", get(READ, b"X\xff: a"), REFUSED),
    ("obs-text in the target", get(READ + b"\xe4\xb8"), EITHER),
    ("control character in a value", get(READ, b"X: a\x01b"), EACH),
    ("a space in the target", get(READ + b" x"), REFUSED),
    ("a fragment", get(READ + b"#x"), EITHER),
    ("target of 40,000", get(READ + b"&a=" + b"a" * 40_000), REFUSED),
    ("target of 300,000", get(READ + b"&a=" + b"a" * 300_000), REFUSED),
    ("a space before the colon", get(READ, b"X : a"), REFUSED),
    ("no colon", get(READ, b"X"), REFUSED),
    ("no name", get(READ, b": a"), REFUSED),
    ("a name with brackets", get(READ, b"X(y): a"), REFUSED),
    ("a folded value", get(READ, b"X: a\r\n b"), EACH),
    ("a fold before any header", get(READ, b" X: a", host=b""), REFUSED),
    ("no Host", get(host=b""), REFUSED),
    ("two Hosts", get(READ, b"Host: elsewhere"), REFUSED),
    ("the same Host twice", get(READ, HOST), REFUSED),
    ("Host with a path", get(host=b"Host: a/b"), REFUSED),
    ("Host with a user", get(host=b"Host: a@b"), REFUSED),
    ("Host with a space", get(host=b"Host: a b"), REFUSED),
    ("Host with a port that is none", get(host=b"Host: a:b"), EITHER),
    ("an empty Host", get(host=b"Host:"), EITHER),
    ("Host in brackets", get(host=b"Host: [::1]:80"), OK),
    ("101 headers", get(READ, *[b"X-%d: y" % one for one in range(101)]), REFUSED),
    ("20,000 headers", get(READ, *[b"X-%d: y" % one for one in range(20_000)]), REFUSED),
    ("a value of 40,000", get(READ, b"X: " + b"y" * 40_000), REFUSED),
    ("a value of 1,000,000", get(READ, b"X: " + b"y" * 1_000_000), REFUSED),
    ("a name of 300,000", get(READ, b"x" * 300_000 + b": y"), REFUSED),
    ("absolute form", get(b"http://127.0.0.1" + READ), OK),
    ("absolute form, another host", get(b"http://elsewhere.example" + READ), EITHER),
    ("absolute form without host", get(b"http://" + READ), EITHER),
    ("absolute form, capitals", get(b"HTTP://127.0.0.1" + READ), OK),
    ("another scheme", get(b"ftp://127.0.0.1" + READ), EITHER),
    ("authority form", get(b"127.0.0.1:80"), REFUSED),
    ("a path without a slash", get(b"ngsi-ld/v1/types"), REFUSED),
    ("asterisk", get(b"*"), REFUSED),
    ("OPTIONS asterisk", get(b"*", start=b"OPTIONS"), EITHER),
    ("CONNECT", get(b"elsewhere.example:443", start=b"CONNECT"), REFUSED),
    ("CONNECT, then more", get(b"elsewhere.example:443", start=b"CONNECT") + smuggled(1), REFUSED),
    ("TRACE", get(start=b"TRACE"), REFUSED),
    ("an empty target", b"GET  HTTP/1.1\r\n" + HOST + b"\r\n\r\n", REFUSED),
    ("Upgrade: websocket", get(READ, b"Connection: Upgrade", b"Upgrade: websocket"), EITHER),
    ("Upgrade: h2c", get(READ, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                         b"HTTP2-Settings: AAMAAABkAAQAAP__"), EITHER),
    ("Upgrade, then more", get(READ, b"Connection: Upgrade", b"Upgrade: websocket") + b"\x81\0",
     EITHER),
    ("Expect: 200-ok", get(READ, b"Expect: 200-ok"), EITHER),
    ("Connection: close, twice", get(READ, b"Connection: close", b"Connection: keep-alive"), OK),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", REFUSED),
    ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), REFUSED),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", REFUSED),
    ("zeros", bytes(5000), REFUSED),
    ("a PROXY line", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + get(), REFUSED),
)  # fmt: skip

ENCODED = (
    b"%", b"%z", b"%zz", b"%0", b"%00", b"%0d%0a", b"%c0%af", b"%c0%80", b"%e0%80%af", b"%ff",
    b"%ed%a0%80", b"%f8%88%80%80%80", b"%2e%2e%2f", b"..%2f..", b"%252e", b"%u0041", b"%C3%28",
    b"../../etc/passwd", b"//", b"/./", b"/../", b";a=b", b"\\", b"%5c", b"[", b"{", b"|", b"^",
    b"`", b"<", b">", b'"',
)  # fmt: skip

LENGTHS: tuple[tuple[bytes, Want], ...] = (
    (b"+%d", REFUSED), (b"-%d", REFUSED), (b"0x%x", REFUSED), (b"%d.0", REFUSED),
    (b"%d, %d", EACH), (b"%d %d", REFUSED), (b"%de0", REFUSED), (b"1_%d", REFUSED),
    (b"\x0b%d", REFUSED), (b"99999999999999999999%d", REFUSED), (b"%d;", REFUSED),
    (b"\xd9\xa1%d", REFUSED), (b"00000%d", EITHER), (b"  %d  ", EITHER),
)  # fmt: skip

CODINGS: tuple[tuple[tuple[bytes, ...], Want], ...] = (
    ((b"Transfer-Encoding: Chunked",), EITHER),
    ((b"Transfer-Encoding: chunked ",), EITHER),
    ((b"Transfer-Encoding: chunked, chunked",), REFUSED),
    ((b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), REFUSED),
    ((b"Transfer-Encoding: xchunked",), REFUSED),
    ((b"Transfer-Encoding: chunkedx",), REFUSED),
    ((b"Transfer-Encoding: gzip, chunked",), REFUSED),
    ((b"Transfer-Encoding: chunked, identity",), REFUSED),
    ((b"Transfer-Encoding: identity, chunked",), REFUSED),
    ((b"Transfer-Encoding: identity",), REFUSED),
    ((b"Transfer-Encoding:",), REFUSED),
    ((b"Transfer-Encoding: \x0bchunked",), REFUSED),
    ((b"Transfer-Encoding : chunked",), REFUSED),
    ((b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"), REFUSED),
    ((b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), REFUSED),
    ((b"Transfer-Encoding: chunked;q=1",), REFUSED),
    ((b'Transfer-Encoding: "chunked"',), REFUSED),
)

SIZES: tuple[tuple[bytes, Want], ...] = (
    (b"zz\r\n%b\r\n0\r\n\r\n", REFUSED), (b"-1\r\n%b\r\n0\r\n\r\n", REFUSED),
    (b"0x10\r\n%b\r\n0\r\n\r\n", REFUSED), (b"\r\n%b\r\n0\r\n\r\n", REFUSED),
    (b"+10\r\n%b\r\n0\r\n\r\n", REFUSED), (b"ffffffffffffffffff\r\n%b\r\n0\r\n\r\n", REFUSED),
    (b"5\r\n%b\r\n0\r\n\r\n", REFUSED), (b"1_0\r\n%b\r\n0\r\n\r\n", REFUSED),
)  # fmt: skip


def chunk_bends(id: str, number: int) -> Iterator[tuple[str, bytes, Want]]:
    """Chunked bodies, good and bad."""
    body = body_of(id)
    size = b"%x" % len(body)
    te = b"Transfer-Encoding: chunked"

    def sent(name: str, text: bytes, want: Want) -> tuple[str, bytes, Want]:
        return name, post(b"", te, length=b"") + text, want

    for place, (text, want) in enumerate(SIZES):
        yield sent(f"bad chunk size {place}", text % body, want)
    yield sent("good chunks", chunked(body[:5], body[5:]), EITHER)
    bytewise = [body[at : at + 1] for at in range(len(body))]
    yield sent("chunks of one byte", chunked(*bytewise), EITHER)
    yield sent("an extension", size + b";a=b\r\n" + body + b"\r\n0\r\n\r\n", EITHER)
    yield sent("a quoted extension", size + b';a="b;c"\r\n' + body + b"\r\n0\r\n\r\n", EITHER)
    yield sent("LF in an extension", size + b";a\n" + body + b"\r\n0\r\n\r\n", EITHER)
    yield sent("CR in an extension", size + b";a\rb\r\n" + body + b"\r\n0\r\n\r\n", EITHER)
    yield sent("an extension of 300,000", size + b";" + b"a" * 300_000 + b"\r\n" + body
               + b"\r\n0\r\n\r\n", EITHER)  # fmt: skip
    yield sent("LF after the size", size + b"\n" + body + b"\r\n0\r\n\r\n", EITHER)
    yield sent("no CRLF after the chunk", size + b"\r\n" + body + b"0\r\n\r\n", REFUSED)
    yield sent("more than was said", size + b"\r\n" + body + b"x\r\n0\r\n\r\n", REFUSED)
    yield sent("zeros before the size", b"0000" + size + b"\r\n" + body + b"\r\n0\r\n\r\n", EITHER)
    yield sent("a trailer", chunked(body)[:-2] + b"X: y\r\n\r\n", EITHER)
    yield sent("a forbidden trailer", chunked(body)[:-2] + b"Content-Length: 3\r\n\r\n", EITHER)
    yield sent("a trailer of 300,000", chunked(body)[:-2] + b"X: " + b"y" * 300_000 + b"\r\n\r\n",
               EITHER)  # fmt: skip
    yield sent("20,000 trailers", chunked(body)[:-2] + b"X: y\r\n" * 20_000 + b"\r\n", EITHER)
    yield ("Content-Length and chunks", post(b"", te, length=b"6") + b"0\r\n\r\n"
           + smuggled(number), REFUSED)  # fmt: skip
    yield ("chunks and Content-Length", get(ROOT, te, b"Content-Length: 6", start=b"POST")
           + b"0\r\n\r\n" + smuggled(number), REFUSED)  # fmt: skip
    yield ("HTTP/1.0 with chunks", post(b"", te, length=b"").replace(b"HTTP/1.1", b"HTTP/1.0")
           + chunked(body), EITHER)  # fmt: skip
    yield ("TE and CL in a read", get(READ, te, b"Content-Length: 4") + b"0\r\n\r\n"
           + smuggled(number), REFUSED)  # fmt: skip


def length_bends(id: str, number: int) -> Iterator[tuple[str, bytes, Want]]:
    """What Content-Length, Transfer-Encoding and Content-Encoding may say."""
    body = body_of(id)
    for said, want in LENGTHS:
        length = said % ((len(body),) * said.count(b"%"))
        yield f"Content-Length {length!r}", post(body, length=length), want
    again = b"Content-Length: %d" % len(body)
    yield "Content-Length twice, equal", post(body, again), EACH
    yield "Content-Length twice, not equal", post(body + smuggled(number), again), REFUSED
    yield "Content-Length 0 and more", post(b"", again, length=b"0") + smuggled(number), REFUSED
    yield "an empty Content-Length", post(b"", b"Content-Length:", length=b"") + body, REFUSED
    yield "no length at all", post(b"", length=b""), REFUSED
    yield "a body with a read", get(READ, again) + body, EITHER
    for lines, want in CODINGS:
        yield f"{b' + '.join(lines)!r}", post(b"", *lines, length=b"") + chunked(body), want
    yield "more than 10 MB said", post(b"", length=b"99999999"), REFUSED
    yield "9999999999999 said", post(b"", length=b"9999999999999"), REFUSED
    yield "Expect and too much", post(b"", b"Expect: 100-continue", length=b"99999999"), REFUSED
    zipped, deflated = gzip.compress(body), zlib.compress(body)
    yield "gzip", post(zipped, b"Content-Encoding: gzip"), EITHER
    yield "deflate", post(deflated, b"Content-Encoding: deflate"), EITHER
    bomb = gzip.compress(gzip.compress(bytes(30_000_000)))
    yield "a gzip bomb", post(bomb, b"Content-Encoding: gzip, gzip"), REFUSED
    yield "gzip that is none", post(body, b"Content-Encoding: gzip"), REFUSED
    yield "an unknown coding", post(body, b"Content-Encoding: frob"), REFUSED


SEAT = "X" * 10
"""Stands in for the number of an entity: every bend is made once, and numbered when it is sent."""


@cache
def _creations() -> tuple[tuple[str, bytes, Want], ...]:
    id = f"urn:ngsi-ld:Bent:{SEAT}"
    return (*chunk_bends(id, 1), *length_bends(id, 1))


def numbered(number: int) -> str:
    """The id of an entity, as long as the one with the seat."""
    return f"urn:ngsi-ld:Bent:{number:010d}"


def bends(number: int) -> Iterator[Bend]:
    """Every bend once; what may create something creates ids from `number` on, one each."""
    for name, data, want in LINES:
        yield Bend(name=name, data=data, want=want)
    for text in ENCODED:
        yield Bend(name=f"id {text!r}", data=get(ROOT + b"/urn:ngsi-ld:Bent:" + text), want=EITHER)
        yield Bend(name=f"path {text!r}", data=get(b"/" + text), want=EITHER)
        yield Bend(name=f"query {text!r}", data=get(READ + b"&q=n==" + text), want=EITHER)
    for at, (name, data, want) in enumerate(_creations(), number):
        own = data.replace(SEAT.encode(), b"%010d" % at)
        yield Bend(name=name, data=own, want=want, creates=numbered(at) if own != data else "")


def partial(number: int) -> Iterator[Bend]:
    """A creation cut off after every byte."""
    id = numbered(number)
    whole = post(body_of(id))
    for at in range(len(whole)):
        yield Bend(name=f"cut after {at}", data=whole[:at], want=REFUSED, whole=False, creates=id)


def mixes(number: int) -> Iterator[Bend]:
    """Several requests at once."""
    one, other = numbered(number), numbered(number + 1)
    yield Bend(name="three reads", data=get() * 3, want=OK, answers=3)
    yield Bend(name="a write between reads", data=get() + post(body_of(one)) + get(),
               want=OK, answers=3, creates=one)  # fmt: skip
    yield Bend(
        name="a page between reads", data=get() + get(b"/healthz") + get(), want=OK, answers=3
    )
    yield Bend(name="a read, then no HTTP", data=get() + b"nonsense\r\n\r\n", want=OK, answers=1)
    yield Bend(name="chunks, then a read", want=EITHER, creates=other,
               data=post(b"", b"Transfer-Encoding: chunked", length=b"")
               + chunked(body_of(other)) + get())  # fmt: skip
    yield Bend(name="close, then more", data=get(READ, b"Connection: close") + smuggled(2), want=OK,
               answers=1)  # fmt: skip


def mutant(number: int, chance: random.Random) -> Bend:
    """A good creation with some bytes flipped, added, doubled, taken away."""
    data = bytearray(post(body_of(numbered(number)), b"X: y", b"Accept: application/json"))
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(data))
        match chance.randrange(5):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at:at] = bytes([chance.choice(b"\r\n\0 \t:,;%\xff0a")])
            case 2:
                del data[at : at + chance.randrange(1, 8)]
            case 3:
                data[at:at] = data[at : at + chance.randrange(1, 30)]
            case _:
                end = chance.randrange(at, min(len(data), at + 40))
                data[at:end] = bytes(reversed(data[at:end]))
    return Bend(name=f"mutant {bytes(data)[:300]!r}", data=bytes(data), want=EITHER, whole=False)
