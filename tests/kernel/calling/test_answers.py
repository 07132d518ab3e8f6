"""Where an answer ends is read strictly, whatever pieces it comes in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.calling.answers import Answer
from pintu.kernel.calling.words import Reply, kind_of
from pintu.kernel.errors import PintuError, TooLarge, Unavailable

HELLO_BYTES = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HELLO = Reply(status=200, headers={"content-length": "5"}, body=b"hello")


def read(data: bytes, *, method: str = "POST", limit: int = 100, step: int = 0) -> Reply | None:
    """An answer fed in pieces of `step` bytes (0: at once), then the end of the connection."""
    answer = Answer(method, limit)
    for at in range(0, len(data), step or len(data)):
        found = answer.feed(data[at : at + (step or len(data))])
        if found is not None:
            return found
    return answer.ended()


WHOLE = {
    "length": (HELLO_BYTES, b"hello"),
    "chunks": (
        CHUNKED + b"3;why=x\r\nhel\r\n2\r\nlo\r\n0\r\nA: 1\r\n\r\n",
        b"hello",
    ),
    "until the end": (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
    "interim first": (
        b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hints\r\nA: 1\r\n\r\n" + HELLO_BYTES,
        b"hello",
    ),
    "nothing": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
    "no reason": (b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", b"hello"),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("step", [0, 1, 2, 7])
def test_a_body_is_the_same_in_whatever_pieces_it_comes(name: str, step: int) -> None:
    """Bytes one by one are read as all of them at once."""
    data, expected = WHOLE[name]
    found = read(data, step=step)
    assert found is not None
    assert expected == found.body


def test_the_answer_to_head_has_no_body() -> None:
    """The length it tells is that of what was not sent."""
    found = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method="HEAD")
    assert Reply(status=200, headers={"content-length": "5"}) == found


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"2\r\nhello\r\n",
        CHUNKED + b"1" * 2000,
        CHUNKED + b"0\r\n" + b"A: 1\r\n" * 200,
    ],
)
def test_what_could_be_read_in_two_ways_is_garbage(head: bytes) -> None:
    """No guess is made about where a message ends."""
    with pytest.raises(Unavailable) as told:
        read(head)
    assert "garbage" == kind_of(told.value)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101,
        CHUNKED + b"65\r\n",
        CHUNKED + b"1\r\nx\r\n" * 101,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000,
    ],
)
def test_an_answer_over_its_limit_ends_at_the_limit(data: bytes) -> None:
    """A head over 32 kB, or a body over what was asked for, is not read to its end."""
    with pytest.raises(TooLarge):
        read(data)


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"]
)
def test_half_an_answer_is_none(data: bytes) -> None:
    """A connection that ends in the middle gives no answer."""
    with pytest.raises(Unavailable) as told:
        read(data)
    assert "closed" == kind_of(told.value)


def test_bytes_nobody_asked_for_end_the_connection() -> None:
    """What follows an answer is not the next one's."""
    answer = Answer("POST", 100)
    found = answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n")
    assert HELLO == found
    assert (False, True) == (answer.keep, answer.left)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_any_bytes_end_in_an_answer_or_in_an_error_of_ours(parts: list[bytes], head: bool) -> None:
    """Random bytes raise nothing foreign and never take more than the limit."""
    answer = Answer("GET", 50)
    try:
        if head:
            answer.feed(CHUNKED)
        for part in parts:
            found = answer.feed(part)
            if found is not None:
                assert len(found.body) <= 50
                return
    except PintuError as error:
        assert isinstance(error, Unavailable | TooLarge)
