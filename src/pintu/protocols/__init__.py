"""Pure codecs that two pieces need; pieces reach them through `kit.protocols`.

Empty until two pieces share a codec: a codec only one piece needs lives in that piece.
"""
