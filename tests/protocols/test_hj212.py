"""HJ 212 frames against published ones, their mistakes named, and streams cut anywhere."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.errors import BadInput
from pintu.kit.protocols import Frame, read_hj212, write_hj212
from pintu.protocols.hj212 import BadFrame, read_frame, write_frame, write_packets
from pintu.protocols.hj212_crc import crc16
from pintu.protocols.hj212_stream import Found, Stream

PUBLISHED_2017 = (
    b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;"
    b"Flag=5;CP=&&RtdInterval=30&&1C80\r\n"
)
"""The example of HJ 212-2017, appendix A."""
PUBLISHED_CRCS = {
    b"QN=20160801085000001;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;"
    b"Flag=4;CP=&&&&": "C241",
    b"QN=20260706103512345;ST=91;CN=9014;PW=123456;MN=A110000_0001;Flag=8;CP=&&&&": "0140",
    b"ST=32;CN=2011;PW=123456;MN=0873HHMZWSLH02;CP=&&DataTime=20160103133030;"
    b"060-Rtd=3.0943,060-Flag=N;011-Rtd=18.0412,011-Flag=N;001-Rtd=8.2137,001-Flag=N;"
    b"B01-Rtd=10.9890,B01-Flag=N&&": "A9C1",
}
"""Data of frames of three editions and their CRCs, as other people's public codecs have them."""
HOUR = Frame(
    fields={
        "QN": "20261122100000123", "ST": "22", "CN": "2061", "PW": "123456",
        "MN": "DE300000000000000000A001", "Flag": "5",
    },
    data_time="20261122090000",
    factors={
        "a34004": {"Min": "11", "Avg": "12.5", "Max": "14", "Flag": "N"},
        "a21026": {"Min": "3", "Avg": "4", "Max": "5", "Flag": "N"},
    },
)  # fmt: skip


def by_the_letter(data: bytes) -> str:
    """Appendix A step by step, as its text tells it."""
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ byte
        for _ in range(8):
            low, register = register & 1, register >> 1
            if low:
                register ^= 0xA001
    return f"{register:04X}"


def framed(data: bytes) -> bytes:
    return b"##%04d%s%s\r\n" % (len(data), data, crc16(data).encode())


def test_the_published_example_is_read() -> None:
    """Length and CRC of the standard's own example hold, and its parts are what it says."""
    frame = read_hj212(PUBLISHED_2017)
    assert "1C80" == crc16(PUBLISHED_2017[6:-6])
    assert {
        "QN": "20160801085857223", "ST": "32", "CN": "1062", "PW": "100000",
        "MN": "010000A8900016F000169DC0", "Flag": "5",
    } == frame.fields  # fmt: skip
    assert {"RtdInterval": "30"} == frame.parameters
    assert ("HJ 212-2017", True, (1, 1)) == (frame.edition, frame.wants_answer, frame.packet)
    assert PUBLISHED_2017 == write_hj212(frame)


@pytest.mark.parametrize("data", PUBLISHED_CRCS)
def test_published_frames_have_our_crc(data: bytes) -> None:
    """Frames of 2005, 2017 and 2025 found in public codecs carry the CRC worked out here."""
    assert PUBLISHED_CRCS[data] == crc16(data)
    assert read_frame(framed(data)).fields["MN"] in data.decode()


@given(st.binary(max_size=1100))
def test_the_fast_crc_is_the_standards(data: bytes) -> None:
    """Halving rows gives what the appendix's text gives bit by bit."""
    assert by_the_letter(data) == crc16(data)


def test_an_hour_is_written_and_read_back() -> None:
    """Factors come back in order with every part."""
    body = write_hj212(HOUR)
    assert HOUR == read_hj212(body)
    assert b"CP=&&DataTime=20261122090000;a34004-Min=11,a34004-Avg=12.5," in body


BAD = {
    "begin with ##": b"#" + PUBLISHED_2017[2:],
    "four digits": PUBLISHED_2017.replace(b"0101", b"01a1"),
    "says 101 bytes of data and has 61": PUBLISHED_2017[:73],
    "says 101 bytes of data and has 104": PUBLISHED_2017 + b"abc",
    "is 1C81, expected 1C80": PUBLISHED_2017.replace(b"1C80", b"1C81"),
    "is 1C80, expected": PUBLISHED_2017.replace(b"=30", b"=60"),
    "four hex digits": PUBLISHED_2017.replace(b"1C80", b"1CX0"),
    "CR LF": PUBLISHED_2017[:-1] + b" ",
    "no CP": framed(b"QN=20160801085857223;ST=32;CN=1062;MN=A1;Flag=5;"),
    "not end with &&": framed(b"QN=20160801085857223;ST=32;CN=1062;MN=A1;Flag=5;CP=&&a=1"),
    "no field MN": framed(b"QN=20160801085857223;ST=32;CN=1062;Flag=5;CP=&&&&"),
    "no field CN": framed(b"QN=20160801085857223;ST=32;MN=A1;Flag=5;CP=&&&&"),
    "no field QN": framed(b"ST=32;CN=1062;MN=A1;Flag=5;CP=&&&&"),
    "Field QN": framed(b"QN=20161301085857223;ST=32;CN=1062;MN=A1;Flag=5;CP=&&&&"),
    "Field CN": framed(b"QN=20160801085857223;ST=32;CN=106;MN=A1;Flag=5;CP=&&&&"),
    "MN twice": framed(b"ST=32;CN=1062;MN=A1;MN=A2;CP=&&&&"),
    "edition 3": framed(b"QN=20160801085857223;ST=32;CN=1062;MN=A1;Flag=13;CP=&&&&"),
    "PNUM or PNO": framed(b"QN=20160801085857223;ST=32;CN=2061;MN=A1;Flag=7;CP=&&&&"),
    "Packet 3 of 2": framed(
        b"QN=20160801085857223;ST=32;CN=2061;MN=A1;Flag=7;PNUM=2;PNO=3;CP=&&&&"
    ),
    "DataTime": framed(b"ST=32;CN=2011;MN=A1;CP=&&DataTime=20260230000000&&"),
    "a-Rtd twice": framed(b"ST=32;CN=2011;MN=A1;CP=&&a-Rtd=1,a-Rtd=2&&"),
    "NAME=VALUE": framed(b"ST=32;CN=2011;MN=A1;CP=&&DataTime&&"),
    "control characters": framed(b"ST=32;CN=2011;MN=A1;CP=&&a-Rtd=1\n&&"),
    "unknown field": framed(b"ST=32;CN=2011;MN=A1;XX=1;CP=&&&&"),
    "neither ASCII": framed(b"ST=32;CN=2011;MN=A1;CP=&&a-Info=//\xff\xff//&&"),
    "encrypted": framed(
        b"QN=20260801085857223;ST=31;CN=2011;MN=A1;Flag=9;CP=&&\xe4\x3e\x01\x8a\xff\xa4&&"
    ),
    "empty": b"",
}


@pytest.mark.parametrize("words", BAD)
def test_a_bad_frame_is_refused_in_words(words: str) -> None:
    """Each mistake is BadInput that names the part."""
    with pytest.raises(BadInput) as caught:
        read_hj212(BAD[words])
    assert words in caught.value.detail


def test_no_reason_tells_a_password() -> None:
    """Whatever is broken around it, the password is not in the text."""
    whole = PUBLISHED_2017[6:-6].replace(b"100000", b"s3cret99")
    dice = random.Random(212)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(data))
            if data[at : at + 1] not in b"s3cret9":
                data[at] = dice.randrange(32, 127)
        try:
            read_frame(framed(bytes(data)))
        except BadFrame as error:
            assert "s3cret" not in str(error)


def test_a_log_in_chinese_is_read() -> None:
    """Text between // may hold ; , = and Chinese in UTF-8 or GB 18030."""
    for encoding in ("utf-8", "gb18030"):
        data = (
            "QN=20160801085857334;ST=32;CN=3020;PW=123456;MN=A1;Flag=4;"
            "CP=&&DataTime=20160801062035;PolId=w01018;i11001-Info=//清洗;管路,a=1//&&"
        ).encode(encoding)
        assert {"i11001": {"Info": "//清洗;管路,a=1//"}} == read_frame(framed(data)).factors


def test_data_over_the_limit_goes_in_packets_that_join() -> None:
    """Cut between factors, each packet with DataTime, PNUM and PNO, and bit D set; together they
    are the frame again."""
    factors = {f"a{number:05d}": {"Avg": "1.25", "Flag": "N"} for number in range(80)}
    long = Frame(fields=HOUR.fields, data_time=HOUR.data_time, factors=factors)
    packets = write_packets(long, longest=1024)
    assert all(len(one) <= 1036 for one in packets) and 3 == len(packets)
    assert "7" == read_frame(packets[0]).fields["Flag"]
    assert (3, 3) == read_frame(packets[2]).packet
    joined = read_frame(b"".join(packets))
    assert (long.data_time, long.factors) == (joined.data_time, joined.factors)
    assert [write_frame(HOUR)] == write_packets(HOUR)


def test_packets_of_two_stations_do_not_join() -> None:
    """What differs in MN, QN or CN is no one answer."""
    other = Frame(fields={**HOUR.fields, "MN": "B"}, data_time=HOUR.data_time)
    with pytest.raises(BadFrame, match="differ in MN"):
        read_frame(write_frame(HOUR) + write_frame(other))


def found(*chunks: bytes, longest: int = 1024) -> list[Found]:
    """Every find of a stream that came in these chunks and then ended."""
    stream, finds = Stream(longest=longest), []
    for chunk in chunks:
        stream.feed(chunk)
        while (one := stream.next()) is not None:
            finds.append(one)
    while (one := stream.flush()) is not None:
        finds.append(one)
    assert 0 == stream.waiting
    return finds


def test_damage_costs_only_the_damaged() -> None:
    """A damaged length, a lost tail, garbage and a half frame leave the good ones around them."""
    good = write_frame(HOUR)
    longer = good.replace(b"##0", b"##1", 1)
    cases = {
        good + longer + good: 2,
        good + good.replace(b"##0", b"##09", 1) + good: 2,
        good + good[:-2] + good: 2,
        good + good[:40] + good: 2,
        good + good[40:] + good: 2,
        b"GET / HTTP/1.1\r\n\r\n" + good: 1,
        b"###" + good: 1,
        good + b"\r\n\r\n" + good + b"#": 2,
        good + b"##99" + good + b"##9999" + good: 3,
    }
    for stream, count in cases.items():
        finds = found(stream, longest=5000)
        assert [good] * count == [one.body for one in finds if one.frame], stream
        assert stream.count(b"\r\n\r\n") or any(one.reason for one in finds)


def test_a_length_over_the_limit_is_not_waited_for() -> None:
    """It is refused at once, and the next frame is read."""
    stream = Stream(longest=300)
    stream.feed(b"##0900QN=" + write_frame(HOUR))
    first, second = stream.next(), stream.next()
    assert first is not None and "900 bytes of data, over 300" in first.reason
    assert second is not None and second.frame == HOUR


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Frames, damaged frames and garbage, one after another."""
    good = [PUBLISHED_2017, write_frame(HOUR), framed(b"ST=32;CN=2011;MN=A1;CP=&&a-Rtd=1&&")]
    parts = []
    for _ in range(draw(st.integers(1, 6))):
        one = draw(st.sampled_from(good))
        match draw(st.integers(0, 4)):
            case 0:
                one = one[: draw(st.integers(0, len(one)))]
            case 1:
                at = draw(st.integers(0, len(one) - 1))
                one = one[:at] + draw(st.binary(max_size=3)) + one[at + 1 :]
            case 2:
                noise = st.text("#&;0123\r\n", max_size=12)
                one = draw(st.binary(max_size=12)) + draw(noise).encode()
        parts.append(one)
    return b"".join(parts)


@settings(max_examples=400, deadline=None)
@given(streams(), st.lists(st.integers(0, 1200), max_size=12))
def test_a_stream_cut_anywhere_gives_the_same(stream: bytes, cuts: list[int]) -> None:
    """Any cutting of the same bytes gives the same frames and the same refusals, byte by byte
    too."""
    places = sorted({0, *(one for one in cuts if one < len(stream)), len(stream)})
    chunks = [stream[a:b] for a, b in pairwise(places)]
    whole = found(stream)
    assert whole == found(*chunks)
    assert whole == found(*(stream[at : at + 1] for at in range(len(stream))))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_taken(stream: bytes) -> None:
    """Whatever comes, nothing is raised and every byte is accounted for."""
    for one in found(stream):
        assert one.frame is not None or one.reason
