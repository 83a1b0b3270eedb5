"""XML product feeds: RSS 2.0 and Atom, item by item, with nothing of XML that can grow.

Document type declarations are refused: no entity, internal or external, is ever looked at. What an
item holds is kept as text by its elements' names; nothing else of the document is kept.
"""

from collections.abc import Sequence
from dataclasses import replace
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces
from xml.sax.xmlreader import AttributesNSImpl, Locator

from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from catalogue.checks import LONGEST_CELL
from catalogue.encoding import decode_xml
from catalogue.issues import refuse
from catalogue.sheet import MOST_COLUMNS, Format, Hints, Reading, Row, Sheet, check_names

DEEPEST = 20
"""Elements inside each other; feeds have five."""
_CHUNK = 64 * 1024
_ITEMS = ("item", "entry")
_SEVERAL = ", "
"""Between the texts of an element that an item has more than once."""


def read_feed(content: bytes, hints: Hints | None = None) -> Sheet:
    """Read a feed's items; the line of a row is that where its item begins.

    Raises:
        InvalidSheetError: It is no XML, has a document type, or holds no items.
    """
    decoded = decode_xml(content, hints.encoding if hints else None)
    parser = make_parser()
    handler = _Items(parser)
    parser.setFeature(feature_namespaces, True)
    parser.forbid_dtd = True
    parser.setContentHandler(handler)
    try:
        for start in range(0, len(decoded.text), _CHUNK):
            parser.feed(decoded.text[start : start + _CHUNK])
        parser.close()
    except SAXParseException as error:
        line = error.getLineNumber()
        refuse(
            f"Line {line} is no XML ({error.getMessage()}). Export the feed again, or save it as "
            "a tab-separated file.",
            line=line,
        )
    except DefusedXmlException:
        refuse(
            "The feed has a document type declaration (<!DOCTYPE …>), which is not read because "
            "entities can be made to do harm. Remove it."
        )
    if not handler.rows:
        refuse(
            "The feed has no items: neither <item> (RSS) nor <entry> (Atom) elements. Export the "
            "product feed, or send the sheet as CSV."
        )
    check_names(handler.columns)
    # An item may leave an element out: that is an empty cell, the same for all rows.
    blank = dict.fromkeys(handler.columns, "")
    return Sheet(
        columns=handler.columns,
        rows=[replace(row, product=blank) for row in handler.rows],
        reading=Reading(format=Format.XML, encoding=decoded.encoding),
        warnings=decoded.warnings,
    )


class _Items(ContentHandler):
    """Gathers the elements directly inside each item."""

    def __init__(self, parser: Locator) -> None:
        super().__init__()
        self._parser = parser
        self.rows: list[Row] = []
        self._columns: dict[str, None] = {}
        self._open: list[str] = []
        self._item_depth = 0
        """Of the item that is open; 0: none is."""
        self._line = 0
        self._cells: dict[str, str] = {}
        self._text: list[str] = []
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
            self._item_depth, self._line, self._cells = len(self._open), self._where(), {}
        elif len(self._open) == self._item_depth + 1:
            self._text, self._length = [], 0

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
        self._open.pop()
        if not self._item_depth:
            return
        if depth == self._item_depth:
            self._end_item()
        elif depth == self._item_depth + 1:
            self._keep(name[1], " ".join("".join(self._text).split()))

    def _keep(self, name: str, text: str) -> None:
        before = self._cells.get(name)
        if before and text:
            text = f"{before}{_SEVERAL}{text}"
        self._cells[name] = text or before or ""
        self._columns[name] = None
        if len(self._columns) > MOST_COLUMNS or len(self._cells[name]) > LONGEST_CELL:
            refuse(
                f"The item in line {self._line} has too much in it: at most {MOST_COLUMNS:,} "
                f"different elements, and {LONGEST_CELL:,} characters in those of one name.",
                line=self._line,
            )

    def _end_item(self) -> None:
        if any(self._cells.values()):
            self.rows.append(Row(line=self._line, cells=self._cells))
        self._item_depth = 0

    def _where(self) -> int:
        return self._parser.getLineNumber() or 0
