"""The shared codecs of `pintu.protocols` as a piece may import them: mistakes are BadInput."""

from __future__ import annotations

from pintu.kernel.errors import BadInput
from pintu.protocols import hj212
from pintu.protocols.hj212 import BadFrame, Frame

__all__ = ["Frame", "read_hj212", "write_hj212"]


def read_hj212(body: bytes) -> Frame:
    """One whole HJ 212 frame (`##` to CR LF), or packets of one answer one after another.

    `Frame.fields` has QN, ST, CN, MN, PW, Flag, PNUM, PNO as far as they are there;
    `Frame.data_time` is YYYYMMDDhhmmss in the station's local time or ""; `Frame.factors` is
    code → {Rtd, Avg, Min, Max, Cou, Flag, …}, all as text. BadInput names what is wrong: length,
    CRC with expected and found, a missing field.
    """
    try:
        return hj212.read_frame(body)
    except BadFrame as error:
        raise BadInput(str(error)) from error


def write_hj212(frame: Frame, *, longest: int = hj212.LONGEST_2017) -> bytes:
    """A frame as bytes, CRC and length worked out; BadInput when it is over `longest` bytes."""
    try:
        return hj212.write_frame(frame, longest=longest)
    except BadFrame as error:
        raise BadInput(str(error)) from error
