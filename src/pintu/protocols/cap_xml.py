"""XML of a warning as a small tree: no document type, no entity, nothing from outside is followed,
and depth, elements and text have bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from pintu.protocols.cap_words import DEEPEST, LONGEST_TEXT, MOST_BYTES, MOST_ELEMENTS

XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
KEPT_SHORT: Final = frozenset(("derefUri",))
"""Elements whose text is counted in the document's size and not kept."""
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_CHINESE: Final = {"gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5"}


class CapError(ValueError):
    """The document is no message that can be used; says where. `over`: it is beyond a limit."""

    def __init__(self, detail: str, *, over: bool = False) -> None:
        super().__init__(detail)
        self.detail, self.over = detail, over


@dataclass(slots=True)
class Node:
    """One element: its namespace, its name, its text, its children in order."""

    space: str
    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)


def read_tree(document: bytes) -> Node:
    """The root of a document; CapError for what is no XML, is over a limit, or declares a document
    type. UTF-8, UTF-16, Latin encodings, and GB 18030 and Big5, which expat itself does not read.
    """
    if len(document) > MOST_BYTES:
        raise CapError(f"The document has more than {MOST_BYTES} bytes", over=True)
    declared = _ENCODING.match(document)
    encoding = None
    name = declared[1].decode().lower() if declared else ""
    if name in _CHINESE:
        try:
            document = document.decode(_CHINESE[name]).encode()
        except UnicodeDecodeError as error:
            raise CapError(f"The document is not {name}: {error.reason}") from error
        encoding = "utf-8"  # what it is now, whatever it declares
    builder = _Builder()
    parser = expat.ParserCreate(encoding, " ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.said
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise CapError(f"The document is not XML: {error}") from error
    except LookupError as error:  # an encoding nobody knows
        raise CapError(f"The document cannot be read: {error}") from error
    if builder.root is None:
        raise CapError("The document is empty")
    return builder.root


def _refuse(*_: object) -> None:
    raise CapError("A warning has no document type: entities could read files or grow without end")


class _Builder:
    """What expat finds, put together."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._said: list[list[str]] = []
        self._long: list[int] = []
        self._count = 0

    def start(self, qualified: str, _attributes: dict[str, str]) -> None:
        space, _, name = qualified.rpartition(" ")
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise CapError(f"The document has more than {MOST_ELEMENTS} elements", over=True)
        if len(self._open) >= DEEPEST:
            raise CapError(f"The document is deeper than {DEEPEST} elements", over=True)
        node = Node(space, name)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)
        self._said.append([])
        self._long.append(0)

    def said(self, text: str) -> None:
        node = self._open[-1]
        if node.name in KEPT_SHORT or node.space == XMLDSIG:
            return
        self._long[-1] += len(text)
        most = MOST_BYTES if node.name == "polygon" else LONGEST_TEXT
        if self._long[-1] > most:
            raise CapError(f"The text of {node.name} has more than {most} signs", over=True)
        self._said[-1].append(text)

    def end(self, _: str) -> None:
        node = self._open.pop()
        self._long.pop()
        node.text = "".join(self._said.pop()).strip()
