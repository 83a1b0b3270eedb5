"""Bytes to text: what is mended, what is found out, and what is said of it."""

import pytest

from catalogue.sheets.encoding import decode
from core.errors import InvalidSheetError

TEXTS = {
    "polish": "sku;prompt\nA;żółta filiżanka na białym tle\nB;łyżka do zupy, świetna\n",
    "czech": "sku;prompt\nA;červený hrnek na bílém pozadí\nB;žlutý talíř, šálek\n",
    "hungarian": "sku;prompt\nA;tűzpiros bögre fehér háttéren\nB;őszi tányér, hosszúkás\n",
    "turkish": "sku;prompt\nA;kırmızı kupa\nB;yeşil şişe, gümüş tabağı, çay bardağı\n",
    "russian": "sku;prompt\nA;красная кружка на белом фоне\nB;Тёмно-синяя ваза\n",
    "shouted": "sku;prompt\nA;КРАСНАЯ КРУЖКА НА БЕЛОМ ФОНЕ\n",
    "ukrainian": "sku;prompt\nA;червона чашка на білому тлі\nB;їжак із дерева\n",
    "greek": "sku;prompt\nA;κόκκινη κούπα σε λευκό φόντο\nB;μπλε βάζο\n",
    "japanese": "sku,prompt,色\nA,白い背景の赤いマグカップ,赤\nB,青い花瓶,青\n",
    "mainland": "sku,prompt\nA,白色背景上的红色马克杯\nB,蓝色花瓶\n",
    "taiwanese": "sku,prompt\nA,白色背景上的紅色馬克杯\nB,藍色花瓶\n",
    "korean": "sku,prompt\nA,흰색 배경에 빨간 머그컵\nB,파란 꽃병\n",
    "german": "sku,prompt\nA,weiße Tasse für Gäste, Größe M\nB,5 € „fein“ – 3 m²\n",
    "french": "sku,prompt\nA,CRÈME brûlée, à façade\nB,étagère d’été\n",
    "danish": "sku,prompt\nA,rød kop på hvid baggrund\nB,grøn skål, blå æske\n",
}


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        ("polish", "cp1250", "windows-1250"),
        ("polish", "iso-8859-2", "iso-8859-2"),
        ("polish", "cp852", "ibm852"),
        ("czech", "cp1250", "windows-1250"),
        ("czech", "iso-8859-2", "iso-8859-2"),
        ("hungarian", "cp1250", "windows-1250"),
        ("turkish", "cp1254", "windows-1254"),
        ("russian", "cp1251", "windows-1251"),
        ("russian", "koi8-r", "koi8-r"),
        ("russian", "cp866", "ibm866"),
        ("shouted", "cp1251", "windows-1251"),
        ("ukrainian", "cp1251", "windows-1251"),
        ("greek", "cp1253", "windows-1253"),
        ("japanese", "shift_jis", "cp932"),
        ("japanese", "euc-jp", "euc-jp"),
        ("japanese", "iso-2022-jp", "iso-2022-jp"),
        ("mainland", "gbk", "gb18030"),
        ("taiwanese", "big5", "big5"),
        ("korean", "euc-kr", "cp949"),
        ("german", "cp1252", "windows-1252"),
        ("german", "mac-roman", "macintosh"),
        ("french", "cp1252", "windows-1252"),
        ("danish", "cp1252", "windows-1252"),
    ],
)
def test_text_that_is_not_unicode_is_read_in_its_language_with_a_warning(text, encoding, named):
    wanted = TEXTS[text].replace("²", "").replace("€", "$") if "mac" in encoding else TEXTS[text]
    found = decode(wanted.encode(encoding))
    assert (found.text, found.encoding) == (wanted, named)
    if encoding != "iso-2022-jp":  # whose escapes say what it is
        (warning,) = found.warnings
        assert warning.line in (1, 2)
        assert "name its `encoding`" in warning.message


@pytest.mark.parametrize("text", ["russian", "japanese", "german"])
def test_the_encoding_that_the_caller_names_is_taken_without_a_warning(text):
    found = decode(TEXTS[text].encode("utf-8"), "utf-8")
    assert (found.text, found.warnings) == (TEXTS[text], ())
    assert decode(TEXTS["greek"].encode("cp1253"), "windows-1251").encoding == "windows-1251"
    assert decode(TEXTS["japanese"].encode("cp932"), "windows-31j").text == TEXTS["japanese"]


@pytest.mark.parametrize(
    ("lines", "stray", "encoding"),
    [
        (["A,a café mug", "C,a rosé bottle"], "B,a crème vase", "cp1252"),
        (["A,Größe M"], "B,weiße Gäste", "cp1252"),
        (["A,赤いマグカップ", "C,青い花瓶"], "B,5° warmer", "cp1252"),
        (["A,красная кружка на белом фоне"], "B,синяя ваза", "cp1251"),
    ],
)
def test_utf_8_with_stray_bytes_is_utf_8_and_shows_them(lines, stray, encoding):
    head = "\n".join(["sku,prompt", *lines, ""]).encode()
    for end in (b"\r\n", b"\r"):
        assert decode(head.replace(b"\n", end) + stray.encode(encoding)).encoding == "utf-8"
    found = decode(head + stray.encode(encoding) + b"\n")
    assert found.text.splitlines()[1:] == [*lines, stray]
    (warning,) = found.warnings
    assert (found.encoding, warning.line) == ("utf-8", 2 + len(lines))
    assert stray in warning.message


def test_a_stray_byte_within_a_line_of_utf_8_is_mended_alone():
    found = decode("sku,prompt\nA,a café, ".encode() + b"19\x94 wide, cr\xc3\xa8me\n")
    assert found.text.splitlines()[1] == "A,a café, 19” wide, crème"


def test_more_lines_of_windows_1252_than_of_utf_8_are_both_read():
    found = decode("A,café\n".encode() + "B,crème brûlée\nC,à l’été\n".encode("cp1252"))
    assert found.text == "A,café\nB,crème brûlée\nC,à l’été\n"


def test_a_few_letters_are_read_with_a_doubt_that_is_said():
    found = decode("sku,prompt\nA,кружка\n".encode("cp1251"))
    assert found.text.endswith("кружка\n")
    assert "too few letters to be sure" in found.warnings[0].message
    assert "“A,кружка”" in found.warnings[0].message


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["russian", "mainland", "german", "japanese"])
def test_utf_16_and_utf_32_are_known_without_their_mark(encoding, text):
    found = decode(TEXTS[text].encode(encoding))
    assert (found.text, found.encoding, found.warnings) == (TEXTS[text], encoding, ())
    marked = decode(("\ufeff" + TEXTS[text]).encode(encoding))
    assert (marked.text, marked.encoding) == (TEXTS[text], encoding)


def test_a_binary_file_is_not_taken_for_utf_16():
    for content in (b"a,b\n\x01\x00\x02\x00\x03\x00\n\x00", b"sku,prompt\nA,ab\x00b\n"):
        with pytest.raises(InvalidSheetError, match="binary file"):
            decode(content)


@pytest.mark.parametrize("control", ["\x03", "\x0b", "\x1a", "\x7f"])
@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_a_control_character_becomes_a_blank_with_a_warning(control, encoding):
    found = decode(f"sku,prompt\nA,a{control}mug\n".encode(), encoding)
    assert found.text == "sku,prompt\nA,a mug\n"
    (warning,) = found.warnings
    assert warning.line == 2
    assert f"0x{ord(control):02x} in line 2" in warning.message


@pytest.mark.parametrize("before", ["", "\n", "\r\n\t\r\n", "  \n"])
def test_a_mark_behind_blank_lines_is_no_part_of_the_first_column(before):
    found = decode(f"{before}\ufeff\ufeffsku,prompt\nA,a\n".encode())
    assert found.text == f"{before}sku,prompt\nA,a\n"


def test_bytes_that_are_utf_8_by_chance_need_not_fit_the_encoding_of_the_others():
    greek = "κόκκινη κούπα".encode("cp1253")
    found = decode(b"sku,prompt\nA," + greek + b" \xd2\xaa\n")
    assert found.text.startswith("sku,prompt\nA,κόκκινη κούπα")
