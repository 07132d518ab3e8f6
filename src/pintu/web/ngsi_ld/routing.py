"""Paths to resources: segments as they come, raw or percent-encoded, with slashes doubled or
trailing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from pintu.kernel.errors import BadRequestData, InvalidRequest, MethodNotAllowed, ResourceNotFound
from pintu.web.ngsi_ld.operation import Operation

ROOT = b"/ngsi-ld/v1/"
_ENTITY = ROOT + b"entities/"
_ID_LIMIT = 2048
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*:")

Key = tuple[bytes, ...]
Methods = Mapping[str, Operation]


class Routes:
    """The route table: `{"entities/{id}/attrs": {"POST": operation}}`, compiled for look-up by
    segments.
    """

    def __init__(self, table: Mapping[str, Methods]) -> None:
        self._by_key: dict[Key, Methods] = {}
        for path, methods in table.items():
            key = tuple(
                b"*" if segment.startswith("{") else segment.encode() for segment in path.split("/")
            )
            self._by_key[key] = methods

        self._entity = self._by_key.get((b"entities", b"*"), {})
        self._attrs = self._by_key.get((b"entities", b"*", b"attrs"), {})

    def find(self, method: str, path: bytes) -> tuple[Operation, tuple[str, ...]]:
        """The operation and the decoded variable parts.

        Raises ResourceNotFound for a path that nothing answers, MethodNotAllowed with the
        methods there are.
        """
        if path.startswith(_ENTITY):  # nine of ten requests
            id, slash, rest = path[len(_ENTITY) :].partition(b"/")
            found = None if slash else self._entity.get(method)
            if rest == b"attrs":
                found = self._attrs.get(method)
            if found is not None and id:
                return found, (decoded(id),)
        if b"//" in path or path[-1:] == b"/" or not path.startswith(ROOT):
            segments = _tidy(path)
        else:
            segments = path[len(ROOT) :].split(b"/")
        key, variables = self._key(segments)
        methods = self._by_key.get(key)
        if methods is None:
            shown = path.decode("latin-1")[:200]
            raise ResourceNotFound(f"There is no resource {shown}")
        operation = methods.get(method)
        if operation is None:
            if key == (b"entities",) and path[-1:] == b"/" and method in ("PUT", "PATCH"):
                raise BadRequestData("The path names no entity")
            allow = ", ".join(sorted(methods))
            raise MethodNotAllowed(f"{method} is not allowed here; {allow} are", allow=allow)
        return operation, variables

    def _key(self, segments: list[bytes]) -> tuple[Key, tuple[str, ...]]:
        size = len(segments)
        if size == 1:
            return (segments[0],), ()
        if size == 2:
            key = (segments[0], segments[1])
            if key in self._by_key:
                return key, ()
            return (segments[0], b"*"), (decoded(segments[1]),)
        if size == 3 and segments[0] != b"temporal":
            return (segments[0], b"*", segments[2]), (decoded(segments[1]),)
        return self._deep_key(segments)

    def _deep_key(self, segments: list[bytes]) -> tuple[Key, tuple[str, ...]]:
        offset = 1 if segments[0] == b"temporal" else 0
        key: list[bytes] = []
        variables: list[str] = []
        for index, segment in enumerate(segments):
            if (
                index >= offset
                and (index - offset) % 2 == 1
                and tuple([*key, segment]) not in self._by_key
            ) or (index > offset + 3 and offset):
                key.append(b"*")
                variables.append(decoded(segment))
            else:
                key.append(segment)
        return tuple(key), tuple(variables)


def decoded(segment: bytes) -> str:
    """One path segment percent-decoded; raises InvalidRequest when it is not UTF-8 or too long."""
    if len(segment) > _ID_LIMIT:
        raise InvalidRequest(f"A part of the path is longer than {_ID_LIMIT} bytes")
    try:
        if b"%" in segment:
            return unquote(segment.decode("utf-8"), errors="strict")
        return segment.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("A part of the path is not UTF-8") from error


def _tidy(path: bytes) -> list[bytes]:
    """Segments without empty ones; an id that is a raw URL (`http://…`) stays one segment."""
    pieces = path.split(b"/")
    while pieces and not pieces[0]:
        pieces.pop(0)
    if pieces[:1] != [b"ngsi-ld"]:
        raise ResourceNotFound("There is no such resource")
    pieces = pieces[1:]
    while pieces and not pieces[0]:
        pieces.pop(0)
    if pieces[:1] != [b"v1"]:
        raise ResourceNotFound("There is no such resource")
    segments: list[bytes] = []
    index = 1
    while index < len(pieces):
        piece = pieces[index]
        if _SCHEME.fullmatch(piece) and index + 2 < len(pieces) and not pieces[index + 1]:
            end = index + 2
            while end < len(pieces) and pieces[end] != b"attrs":
                end += 1
            segments.append(b"/".join(pieces[index:end]).rstrip(b"/"))
            index = end
            continue
        if piece:
            segments.append(piece)
        elif segments[-1:] == [b"entities"] and pieces[index + 1 : index + 2] == [b"attrs"]:
            raise BadRequestData("The path names no entity")
        index += 1
    return segments or [b""]
