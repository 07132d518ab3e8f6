"""Pure codecs that several rooms need, without a clock or a socket; pieces reach them through
`kit.protocols`.

A codec only one piece needs lives in that piece.
"""
