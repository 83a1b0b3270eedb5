"""XML product feeds: RSS 2.0 and Atom, item by item, with nothing of XML that can grow.

Document type declarations are refused: no entity, internal or external, is ever looked at. What an
item holds is kept as text by its elements' names; nothing else of the document is kept. What
hand-made feeds get wrong above the items is put right: blank lines or comments before the
declaration, and prefixes that nothing declares.
"""

import re
from collections.abc import Mapping, Sequence
from xml.sax import SAXParseException
from xml.sax.expatreader import ExpatParser
from xml.sax.handler import ContentHandler, feature_namespaces
from xml.sax.xmlreader import AttributesNSImpl, Locator

from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from catalogue.checks import LONGEST_CELL
from catalogue.issues import Issue, refuse
from catalogue.sheets.encoding import decode_xml
from catalogue.sheets.model import (
    MOST_COLUMNS,
    SEVERAL,
    Hints,
    Reading,
    Room,
    Sheet,
    SheetFormat,
    SheetRow,
    check_names,
)

DEEPEST = 20
"""Elements inside each other; feeds have five."""
_CHUNK = 64 * 1024
_LONGEST_CHUNK = 2**20
_ITEMS = ("item", "entry")
_GOOGLE = re.compile(r"https?://(?:www\.)?base\.google\.", re.IGNORECASE)
"""What Google's namespaces begin with, and what feeds make of it."""
_USUAL: Mapping[str, str] = {
    "g": "http://base.google.com/ns/1.0",
    "c": "http://base.google.com/cns/1.0",
}
"""Namespaces by the prefixes that feeds use."""
_ABOVE = r"(?:\s++|<!--(?:(?!-->).)*+-->)"
_LATE_DECLARATION = re.compile(
    rf"(\s*+<!--(?:(?!-->).)*+-->{_ABOVE}*+|\s++)<\?xml\b[^>]*\?>", re.DOTALL
)
_ROOT = re.compile(rf"(?:{_ABOVE}|<\?(?:(?!\?>).)*+\?>)*+<[A-Za-z_][\w.:-]*+", re.DOTALL)
_PREFIX = re.compile(r"<([A-Za-z_][\w.-]*+):[A-Za-z_]")
_DECLARED = re.compile(r"\bxmlns:([A-Za-z_][\w.-]*+)\s*+=")
_LOOKED_AT = 2**20
"""Characters in which prefixes are used for the first time."""
_MOST_PREFIXES = 20
_CONTENT = "content"
"""The part of `structured_title` and `structured_description` that is their text."""


def read_feed(content: bytes, hints: Hints | None = None, room: Room | None = None) -> Sheet:
    """Read a feed's items; the line of a row is that where its item begins.

    Raises:
        InvalidSheetError: It is no XML, has a document type, holds no items, or too many.
    """
    decoded = decode_xml(content, hints.encoding if hints else None)
    text, warnings = _declare(_without_late_declaration(decoded.text))
    parser = make_parser()
    handler = _Items(parser, room or Room())
    parser.setFeature(feature_namespaces, True)
    parser.forbid_dtd = True
    parser.setContentHandler(handler)
    try:
        _feed(parser, text)
        parser.close()
    except SAXParseException as error:
        line = error.getLineNumber()
        refuse(
            f"Line {line} is not valid XML ({error.getMessage()}). Export the feed again, or save "
            "it as a tab-separated file.",
            line=line,
        )
    except DefusedXmlException:
        refuse(
            "The feed has a document type declaration (<!DOCTYPE …>), which is not read because "
            "entities can be made to do harm. Remove it."
        )
    if not handler.rows:
        refuse(
            "This is XML, but no feed that packshot reads (RSS, Atom): it has no items, neither "
            "<item> nor <entry> elements. Export the product feed, or send the sheet as CSV."
        )
    check_names(handler.columns)
    return Sheet(
        columns=handler.columns,
        rows=handler.rows,
        reading=Reading(format=SheetFormat.XML, encoding=decoded.encoding),
        warnings=(*decoded.warnings, *warnings),
    )


def _feed(parser: ExpatParser, text: str) -> None:
    """Parse a text in pieces, larger ones inside of a tag or comment that does not end.

    The parser begins anew with it at each piece.
    """
    start, size = 0, _CHUNK
    place: tuple[int | None, ...] = ()
    while start < len(text):
        parser.feed(text[start : start + size])
        start += size
        before, place = place, (parser.getLineNumber(), parser.getColumnNumber())
        size = min(2 * size, _LONGEST_CHUNK) if place == before else _CHUNK


def _without_late_declaration(text: str) -> str:
    """Leave out a declaration that does not stand at the start; lines keep their numbers."""
    found = _LATE_DECLARATION.match(text)
    if found is None:
        return text
    return found[1] + "\n" * text.count("\n", found.end(1), found.end()) + text[found.end() :]


def _declare(text: str) -> tuple[str, Sequence[Issue]]:
    """Declare the prefixes that are not, on the feed's first element."""
    beginning = text[:_LOOKED_AT]
    used = dict.fromkeys(found[1] for found in _PREFIX.finditer(beginning))
    declared = {found[1] for found in _DECLARED.finditer(beginning)} | {"xml", "xmlns"}
    missing = [prefix for prefix in used if prefix not in declared]
    root = _ROOT.match(beginning)
    if not missing or root is None or len(missing) > _MOST_PREFIXES:
        return text, ()
    names = "".join(
        f' xmlns:{prefix}="{_USUAL.get(prefix, f"urn:undeclared:{prefix}")}"' for prefix in missing
    )
    warning = _say_declared(missing, 1 + root[0].count("\n"))
    return text[: root.end()] + names + text[root.end() :], (warning,)


def _say_declared(missing: Sequence[str], line: int) -> Issue:
    known = [f'xmlns:{prefix}="{_USUAL[prefix]}"' for prefix in missing if prefix in _USUAL]
    shown = ", ".join(f"{prefix}:" for prefix in missing)
    advice = f" Add {' '.join(known)} to the first element." if known else ""
    message = f"The feed declares no namespace for {shown}, and is read as if it did.{advice}"
    return Issue(line=line, message=message)


class _Items(ContentHandler):
    """Gathers the elements directly inside each item."""

    def __init__(self, parser: Locator, room: Room) -> None:
        super().__init__()
        self._parser = parser
        self._room = room
        self.rows: list[SheetRow] = []
        self._columns: dict[str, None] = {}
        self._open: list[str] = []
        self._item_depth = 0
        """Of the item that is open; 0: none is."""
        self._line = 0
        self._cells = _Cells()
        self._text: list[str] = []
        self._content: str | None = None
        self._length = 0

    @property
    def columns(self) -> Sequence[str]:
        """The names of all elements, in the order of their first appearance."""
        return list(self._columns)

    def startElementNS(  # noqa: N802
        self,
        name: tuple[str | None, str],
        qname: str | None,  # noqa: ARG002
        attrs: AttributesNSImpl,  # noqa: ARG002
    ) -> None:
        """Begin an item, or an element of it."""
        self._open.append(name[1])
        if len(self._open) > DEEPEST:
            refuse(
                f"The feed has more than {DEEPEST} elements inside each other in line "
                f"{self._where()}: that is no product feed.",
                line=self._where(),
            )
        if not self._item_depth and name[1] in _ITEMS:
            self._item_depth, self._line, self._cells = len(self._open), self._where(), _Cells()
        elif len(self._open) == self._item_depth + 1:
            self._text, self._content, self._length = [], None, 0
        elif self._is_content(name):
            self._text = []

    def characters(self, content: str) -> None:
        """Keep the text of an item's elements, with that of what is inside them."""
        if not self._item_depth or len(self._open) <= self._item_depth:
            return
        self._length += len(content)
        if self._length > LONGEST_CELL:
            name = self._open[self._item_depth]
            refuse(
                f"<{name}> of the item in line {self._line} has more than {LONGEST_CELL:,} "
                "characters, which is no product's. Shorten it.",
                line=self._line,
                column=name,
            )
        self._text.append(content)

    def endElementNS(  # noqa: N802
        self,
        name: tuple[str | None, str],
        qname: str | None,  # noqa: ARG002
    ) -> None:
        """End an element of an item, or the item."""
        depth = len(self._open)
        if self._is_content(name):
            self._content = "".join(self._text)
        self._open.pop()
        if not self._item_depth:
            return
        if depth == self._item_depth:
            self._end_item()
        elif depth == self._item_depth + 1:
            text = "".join(self._text) if self._content is None else self._content
            self._keep(name, " ".join(text.split()))

    def _is_content(self, name: tuple[str | None, str]) -> bool:
        """Check whether the innermost element is the text of one with other parts."""
        return (
            bool(self._item_depth)
            and len(self._open) == self._item_depth + 2
            and name[1] == _CONTENT
            and _is_google(name[0])
        )

    def _keep(self, name: tuple[str | None, str], text: str) -> None:
        self._columns[name[1]] = None
        length = self._cells.add(name[1], text, google=_is_google(name[0]))
        if len(self._columns) > MOST_COLUMNS or length > LONGEST_CELL:
            refuse(
                f"The item in line {self._line} has too much in it: at most {MOST_COLUMNS:,} "
                f"different elements, and {LONGEST_CELL:,} characters in those of one name.",
                line=self._line,
            )

    def _end_item(self) -> None:
        cells = self._cells.join()
        if cells:
            self._room.take(len(cells), line=self._line)
            self.rows.append(SheetRow(line=self._line, cells=cells))
        self._item_depth = 0

    def _where(self) -> int:
        return self._parser.getLineNumber() or 0


class _Cells:
    """The texts of one item by their elements' names."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._lengths: dict[str, int] = {}
        self._google: set[str] = set()

    def add(self, name: str, text: str, *, google: bool) -> int:
        """Add an element; give how long those of its name are together.

        Where an item has a name in Google's namespace and in another (`<title>` and `<g:title>`),
        they say the same of it, and Google's holds.
        """
        if text and (google or name not in self._google):
            if google and name not in self._google:
                self._google.add(name)
                self._texts[name], self._lengths[name] = [], 0
            self._texts.setdefault(name, []).append(text)
            self._lengths[name] = self._lengths.get(name, 0) + len(text) + len(SEVERAL)
        return self._lengths.get(name, 0)

    def join(self) -> dict[str, str]:
        """Return one text by name, of those that say something."""
        return {name: SEVERAL.join(texts) for name, texts in self._texts.items()}


def _is_google(namespace: str | None) -> bool:
    return bool(_GOOGLE.match((namespace or "").strip()))
