"""XML feeds: no entity is looked at, nothing grows, and what is no feed is told what it is."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue.sheets.readers import read_sheet
from core.errors import InvalidSheetError

HEAD = '<?xml version="1.0"?><rss><channel>'
ITEM = "<item><id>A</id><title>a mug</title><link>x</link><price>1</price></item>"
TAIL = "</channel></rss>"

BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "&a;" * 10}">' for n in range(10))
    + "]><rss><item><id>&a9;</id></item></rss>"
)


def refusal(text: str | bytes) -> InvalidSheetError:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(InvalidSheetError) as caught:
        read_sheet(content, name="feed.xml")
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        BILLION_LAUGHS,
        '<?xml version="1.0"?><!DOCTYPE rss SYSTEM "file:///etc/passwd"><rss/>',
        '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        "<rss><item><id>&x;</id></item></rss>",
        '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY % x SYSTEM "http://127.0.0.1/x">%x;]><rss/>',
        '<?xml version="1.0"?><!DOCTYPE html><html><body/></html>',
    ],
)
def test_a_document_type_is_refused_before_anything_of_it_is_read(text):
    assert "<!DOCTYPE" in refusal(text).detail


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + ITEM, "not valid XML"),
        (HEAD + "<item><id>&x;</id></item>" + TAIL, "not valid XML"),
        (HEAD + TAIL, "no items"),
        ("<?xml version='1.0'?><rss>\x00</rss>", "binary"),
        (HEAD + "<a>" * 30 + "</a>" * 30 + TAIL, "inside each other"),
        (HEAD + f"<item><id>{'x' * 200_000}</id></item>" + TAIL, "131,072 characters"),
        (HEAD + "<item>" + "<id>xxxxxxxx</id>" * 20_000 + "</item>" + TAIL, "too much in it"),
        (
            HEAD + "<item>" + "".join(f"<n{n}>x</n{n}>" for n in range(1001)) + "</item>" + TAIL,
            "too much in it",
        ),
        (b"<?xml version='1.0' encoding='utf-8'?><rss>caf\xe9</rss>", "not utf-8"),
        (b"<?xml version='1.0' encoding='x-klingon'?><rss/>", "'x-klingon' cannot be read"),
        (b"<?xml version='1.0' encoding='zip'?><rss/>", "'zip' cannot be read"),
    ],
)
def test_what_is_no_feed_is_refused_in_words(text, words):
    assert words in refusal(text).detail


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"),
        ("latin-1", "ISO-8859-1"), ("cp1252", "windows-1252"), ("cp1251", "windows-1251"),
    ],
)  # fmt: skip
def test_the_declaration_or_the_mark_names_the_encoding(encoding, declared):
    word = "Лампа" if encoding == "cp1251" else "Größe"
    text = f'<?xml version="1.0" encoding="{declared}"?><rss>{ITEM.replace("a mug", word)}</rss>'
    sheet = read_sheet(text.encode(encoding))
    assert sheet.rows[0].fields["title"] == word


def test_line_ends_are_counted_and_lists_of_one_item_are_joined():
    entry = "<entry>\r\n<id>A</id><title>a</title><size>S</size>\n<size>M</size></entry>"
    text = f"<feed>\r\n{entry}\n{ITEM}</feed>"
    first, second = read_sheet(text.encode()).rows
    assert (first.line, first.cells["size"]) == (2, "S, M")
    assert second.line == 5


def test_googles_own_elements_win_and_structured_ones_give_their_content():
    text = (
        '<rss xmlns:g="http://base.google.com/ns/1.0"><item><id>1</id><g:id>A</g:id>'
        "<g:title>Bag</g:title><title>Bag</title><title>Bag</title><size>S</size><size>M</size>"
        "</item><item><g:id>B</g:id><g:structured_title><g:digital_source_type>"
        "trained_algorithmic_media</g:digital_source_type><g:content>Oak chair</g:content>"
        "</g:structured_title><content><p>one</p> two</content></item></rss>"
    )
    first, second = (row.cells for row in read_sheet(text.encode()).rows)
    assert first == {"id": "A", "title": "Bag", "size": "S, M"}
    assert second == {"id": "B", "structured_title": "Oak chair", "content": "one two"}


def test_the_memory_that_a_feed_takes_is_bounded_by_its_items():
    text = (HEAD + "<pad>" + "x" * 4_000_000 + "</pad>" + ITEM + TAIL).encode()
    tracemalloc.start()
    try:
        assert len(read_sheet(text).rows) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(text)


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from([
            "<item>", "</item>", "<entry>", "<g:id>", "</g:id>", "<id>", "</id>", "A", "&amp;",
            "&#0;", "&lol;", "<![CDATA[", "]]>", "<!--", "-->", "<?x?>", "\x0b", "\n", "<a b='c'/>",
        ]),
        max_size=25,
    )
)  # fmt: skip
def test_any_pieces_of_xml_are_read_or_refused_in_words(pieces):
    try:
        found = read_sheet(f"<rss>{''.join(pieces)}</rss>".encode()).rows
    except InvalidSheetError as error:
        found = error.extensions["errors"]
    assert found


GOOGLE = '<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>'
PRODUCT = "<item><g:id>A</g:id><g:title>Red mug</g:title><g:color>Red</g:color></item>"


@pytest.mark.parametrize(
    "above",
    [
        "<!-- made by a tool -->\n",
        "<!-- a\n<rss> -->\n<!-- b -->",
        '<!-- a -->\n<?xml version="1.0"?>\n',
        '\n\n<?xml version="1.0" encoding="utf-8"?>\n',
        '<?xml version="1.0"?><?xml-stylesheet href="a.xsl"?>\n',
        '\n\ufeff<?xml version="1.0"\n?>\n',
        "",
    ],
)
def test_a_feed_may_begin_with_blank_lines_comments_or_without_a_declaration(above):
    sheet = read_sheet((above + GOOGLE + "\n" + PRODUCT + TAIL).encode(), name="feed.xml")
    (row,) = sheet.rows
    assert (row.fields["sku"], row.fields["title"], row.fields["color"]) == ("A", "Red mug", "Red")
    assert row.line == 2 + above.count("\n")


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251"])
def test_blank_lines_above_a_declaration_do_not_hide_its_encoding(encoding):
    text = f'\n\n<?xml version="1.0" encoding="{encoding}"?>{GOOGLE}{PRODUCT}{TAIL}'
    sheet = read_sheet(text.replace("Red mug", "Лампа").encode(encoding), name="feed.xml")
    assert sheet.rows[0].fields["title"] == "Лампа"
    assert sheet.warnings == []


@pytest.mark.parametrize(
    ("root", "shown"),
    [
        ("<rss>", "g:"),
        ('<?xml version="1.0"?>\n<!-- a --><rss version="2.0" >', "g:"),
        ('<feed xmlns="http://www.w3.org/2005/Atom">', "g:"),
        ('<rss xmlns:x="urn:x">', "media:, g:"),
    ],
)
def test_a_prefix_that_nothing_declares_is_the_usual_one_with_a_warning(root, shown):
    item = PRODUCT.replace("<item>", "<item><media:x/>") if "media" in shown else PRODUCT
    name = "feed" if "feed" in root else "rss"
    sheet = read_sheet(f"{root}\n{item}</{name}>".encode(), name="feed.xml")
    assert sheet.rows[0].fields["title"] == "Red mug"
    (warning,) = sheet.warnings
    assert f"no namespace for {shown}," in warning.message
    assert 'Add xmlns:g="http://base.google.com/ns/1.0" to' in warning.message


def test_googles_namespace_is_known_with_https():
    text = GOOGLE.replace("http:", "https:") + "<item><title>Red mug</title>" + PRODUCT[6:] + TAIL
    assert read_sheet(text.encode()).rows[0].fields["title"] == "Red mug"


@pytest.mark.parametrize(
    "text",
    [
        "<products>\n<product><id>1</id><name>Red mug, large</name></product>\n</products>",
        '<?xml version="1.0"?><urlset><url><loc>x</loc></url></urlset>',
        "<shop:catalog xmlns:shop='urn:x'><shop:offer/></shop:catalog>",
    ],
)
def test_xml_that_is_no_feed_is_told_what_it_is(text):
    assert "This is XML, but no feed that packshot reads" in refusal(text).detail


def test_a_blog_is_not_taken_for_products():
    entry = "<entry><id>1</id><title>Hello</title><link/><updated>2025</updated></entry>"
    sheet = read_sheet(f"<feed>{entry}</feed>".encode(), name="feed.xml")
    assert sheet.reading.source == "plain"


def test_a_column_may_begin_with_a_tag():
    assert list(read_sheet(b"<b>sku</b>,prompt\nA,a\n", name="a.csv").columns)[1] == "prompt"
