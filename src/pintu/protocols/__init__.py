"""Pure codecs that two pieces need (frames, messages, alerts); pieces reach them through `kit.protocols`.

Empty until two pieces share a codec: a codec only one piece needs lives in that piece.
"""
