"""Which encoding a text that is not Unicode is in.

Every candidate that fits all bytes is read and rated: by charset-normalizer (how disordered the
text is, how well its letters suit a language), and by what its words look like. East Asian texts
are made of common characters, others of the letters of one language, with small letters after
large ones. A short text can be read in several ways; then `Guess.sure` is false.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from charset_normalizer import CharsetMatch, from_bytes

_SAMPLE = 16 * 1024
"""Bytes of lines with other bytes than ASCII that are looked at."""
_END = re.compile(r"[\r\n]|\Z")
_STRAY = re.compile("[\udc80-\udcff]")
_HALVES = re.compile(r"[^\x00-\x7f\udc80-\udcff]+")
_WORD = re.compile(rb"(?<![A-Za-z\x80-\xff])[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_ASCII = bytes(range(0x80))
_LEAST = 0.6
"""The rating below which a reading is none."""
_CLOSE = 0.08
"""Two readings whose ratings are nearer than this cannot be told apart."""
_FEW = 6
"""Letters that are too few to be sure of a language."""
_FEWEST = 3
"""Letters that are too few to tell any language."""


@dataclass(frozen=True, kw_only=True)
class Guess:
    """An encoding that a text may be in."""

    encoding: str
    """Python's name."""
    is_east_asian: bool
    """Whether it has characters of several bytes."""
    sure: bool


def guess(content: bytes, escaped: str) -> Guess | None:
    """Find the encoding of a text that is not UTF-8; None: none of them fits well.

    Args:
        content: All of it.
        escaped: It as UTF-8, where other bytes are escaped (`surrogateescape`).
    """
    lines = list(_lines(escaped))
    sample = "\n".join(lines).encode("utf-8", "surrogateescape")
    fitting = [one for one in _East(sample).rated() if _fits(content, one[1])]
    is_east_asian = bool(fitting)
    if not fitting:
        # Where some characters are UTF-8, the others alone tell what those are.
        sample = _HALVES.sub("", "\n".join(lines)).encode("utf-8", "surrogateescape")
        stray = "".join(set(_STRAY.findall(escaped))).encode("utf-8", "surrogateescape")
        fitting = [one for one in _Letters(sample).rated() if _fits(stray, one[1])]
    if not fitting or fitting[0][0] < _LEAST:
        return None
    best = sample.decode(fitting[0][1], "replace")
    letters = sum(letter > "\x7f" for letter in best)
    if letters < _FEWEST and fitting[0][1] != "cp1252":
        return None
    sure = letters >= _FEW and not _is_close(fitting, sample, best)
    return Guess(encoding=fitting[0][1], is_east_asian=is_east_asian, sure=sure)


def _is_close(rated: Sequence[tuple[float, str]], sample: bytes, best: str) -> bool:
    """Check whether another reading is rated nearly as high as the best one, and differs."""
    return any(
        rated[0][0] - other < _CLOSE and sample.decode(second, "replace") != best
        for other, second in rated[1:]
    )


def _lines(escaped: str) -> Iterator[str]:
    """Return the first lines with bytes that are no UTF-8."""
    length, position = 0, 0
    # From byte to byte: a line may be all of the file.
    while length < _SAMPLE and (stray := _STRAY.search(escaped, position)):
        begin = 1 + max(escaped.rfind(end, position, stray.start()) for end in "\r\n")
        begin = begin or position
        found = _END.search(escaped, stray.end())
        position = found.start() if found else len(escaped)
        yield escaped[begin:position][: _SAMPLE - length]
        length += position - begin


def _fits(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _matches(sample: bytes, encodings: Iterable[str]) -> Mapping[str, CharsetMatch]:
    """Ask the detector about each encoding; those that it finds too disordered are left out."""
    found = from_bytes(sample, cp_isolation=list(encodings), threshold=0.6, enable_fallback=False)
    return {name: match for match in found for name in match.could_be_from_charset}


class _East:
    """Rates East Asian readings by how many of their characters are common ones.

    The standards put common characters at certain first bytes; the bytes of other texts, read so,
    give rare ones.
    """

    COMMON: Mapping[str, tuple[range, ...]] = {
        "cp932": (range(0x81, 0x84), range(0x88, 0x98)),
        "euc_jp": (range(0xA1, 0xA6), range(0xB0, 0xD0)),
        "gb18030": (range(0xA1, 0xA4), range(0xB0, 0xD8)),
        "big5": (range(0xA1, 0xC7),),
        "cp949": (range(0xA1, 0xA4), range(0xB0, 0xC9)),
    }
    _KANA = range(0x3041, 0x30FF)

    def __init__(self, sample: bytes) -> None:
        self._sample = sample

    def rated(self) -> list[tuple[float, str]]:
        """Return the readings that are made of common characters, the best first."""
        shares = {name: self._share(name) for name in self.COMMON}
        likely = [name for name, share in shares.items() if share > 0.8]
        if not likely:
            return []
        matches = _matches(self._sample, likely)
        rated = [
            (shares[name] - (matches[name].chaos if name in matches else 0.5), name)
            for name in likely
        ]
        return sorted((one for one in rated if one[0] >= _LEAST), reverse=True)

    def _share(self, encoding: str) -> float:
        others = [letter for letter in self._decoded(encoding) if letter > "\x7f"]
        common = sum(self._is_common(encoding, letter.encode(encoding)) for letter in others)
        kana = sum(ord(letter) in self._KANA for letter in others)
        # Where Japanese is written, it has kana; elsewhere there are none.
        is_japanese = encoding in ("cp932", "euc_jp")
        if others and is_japanese != (kana * 10 >= len(others)):
            common -= len(others) // 4
        return common / len(others) if others else 0

    def _decoded(self, encoding: str) -> str:
        """Decode the sample, which may end within a character; nothing where it does not fit."""
        try:
            return self._sample.decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(self._sample) - 4:
                return ""
            return self._sample[: error.start].decode(encoding)

    def _is_common(self, encoding: str, written: bytes) -> bool:
        """Check whether a character is a common one of the standard's own two-byte table."""
        return (
            len(written) == 2
            and any(written[0] in zone for zone in self.COMMON[encoding])
            and (encoding in ("cp932", "big5") or written[1] >= 0xA1)
        )


_WEST = "äöüßéèêëàâçîïôùûñáíóúãõåæøœìò"
_ALPHABETS: Mapping[str, tuple[str, ...]] = {
    "cp1252": (
        "äöüß", "éèêëàâçîïôùûœ", "áéíóúñü", "ãõáéíóúâêôçà", "àèéìòù", "åäöæøé", "éëïèü",
    ),
    "cp1250": (
        "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž", "äöüßé",
    ),
    "cp1254": ("çğıöşüâî",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
}  # fmt: skip
"""Small letters beside a to z, by language: German, French, Spanish, Portuguese, Italian, Nordic,
Dutch; Polish, Czech, Slovak, Hungarian, Romanian, Croatian; Turkish; the Baltic ones."""

LATIN: Mapping[str, str] = {
    "cp1252": "cp1252", "cp1250": "cp1250", "iso8859_2": "cp1250", "cp1254": "cp1254",
    "cp1257": "cp1257", "mac_roman": "cp1252", "cp850": "cp1252", "cp852": "cp1250",
}  # fmt: skip
"""Encodings of Latin letters, by whose alphabets they write."""
_SHARE_OF_WEST = 0.9
"""What letters of several Western languages are worth; those of one are worth 1."""
_FIRST = 0.03
"""What speaks for Windows-1252, which most are."""

_RUSSIAN = ("оеаинтсрвлк", "мдпуяыьгзб", "йчхжшюцщэфъё")
_GREEK = ("αοιετσνηυρπκ", "μλςωδγχθάέήίόύώ", "φβξζψϊϋΐΰ")
_SCRIPTS: Mapping[str, tuple[str, str, str]] = {
    "cp1251": (*_RUSSIAN[:2], _RUSSIAN[2] + "іїєґўјљњћђџѓќ"),
    "koi8_r": _RUSSIAN,
    "iso8859_5": (*_RUSSIAN[:2], _RUSSIAN[2] + "іїєўјљњћђџ"),
    "cp866": (*_RUSSIAN[:2], _RUSSIAN[2] + "їєў"),
    "cp1253": _GREEK,
    "iso8859_7": _GREEK,
    "cp1255": ("יוהלאמתרשב", "נעדקחפםכטן", "גצסזךףץ"),
    "cp1256": ("اليمنرتوبد", "ةعسفقحكهأجشطص", "خذضظغثزءآإئىؤپچگک"),
}
"""Small letters of other scripts: the frequent ones, others, and the rare."""
_WORTH = (1.0, 0.8, 0.4)

_SIGNS = frozenset("°€“”„‘’‚‹›«»–—…™®©½¼¾²³µ×·•§±£\xa0¡¿ªº¢¥")
_QUOTES = frozenset("“”„‚‹›«»")


class _Letters:
    """Rates readings as one byte per letter by how much they look like words of a language."""

    def __init__(self, sample: bytes) -> None:
        self._sample = sample
        words = [
            (len(found[0]), found[0].translate(None, _ASCII)) for found in _WORD.finditer(sample)
        ]
        # Words of other scripts are nothing but such letters; Latin ones have some of them.
        whole = sum(length for length, others in words if length == len(others) and length > 2)
        self._is_latin = whole * 2 < sum(len(others) for _, others in words)

    def rated(self) -> list[tuple[float, str]]:
        """Return the readings, the best first."""
        names = LATIN if self._is_latin else _SCRIPTS
        matches = _matches(self._sample, names)
        rated = []
        for name in names:
            match = matches.get(name)
            rating = self._rate(self._sample.decode(name, "replace"), name)
            if match:
                rating += 0.1 * match.coherence - 0.1 * match.chaos
            rated.append((rating, name))
        # The order of the tables decides between equals.
        return sorted(rated, key=lambda one: -one[0])

    def _rate(self, text: str, name: str) -> float:
        if not self._is_latin:
            parts = zip(_SCRIPTS[name], _WORTH, strict=True)
            return _rate(text, {letter: worth for part, worth in parts for letter in part})
        alphabets = _ALPHABETS[LATIN[name]]
        rating = max(_rate(text, dict.fromkeys(one, 1.0)) for one in alphabets)
        if LATIN[name] == "cp1252":
            rating = max(rating, _SHARE_OF_WEST * _rate(text, dict.fromkeys(_WEST, 1.0)))
        return rating + (_FIRST if name == "cp1252" else 0)


def _rate(text: str, worth: Mapping[str, float]) -> float:
    """Return what a text's characters beside ASCII are worth, each from 0 to 1."""
    total, count = 0.0, 0
    for position, letter in enumerate(text):
        if letter <= "\x7f":
            continue
        count += 1
        around = text[position - 1 : position] or " ", text[position + 1 : position + 2] or " "
        total += _sign(letter, *around) if letter in _SIGNS else _letter(letter, *around, worth)
    return total / count if count else 0


def _sign(sign: str, before: str, after: str) -> float:
    """Rate a sign: quotes stand beside words, other signs not in front of a letter."""
    if sign in "’‘·\xa0":
        return 1
    if sign in _QUOTES or sign in "–—…":
        return float(not (before.isalpha() and after.isalpha()))
    return float(not after.isalpha() or (sign in "¡¿" and not before.isalpha()))


def _letter(letter: str, before: str, after: str, worth: Mapping[str, float]) -> float:
    """Rate a letter: large ones begin words, or stand among large ones."""
    small = letter.lower()
    value = worth.get(small, 0.0)
    if letter == "ς" and after.isalpha():
        return 0
    if letter != small and before.isalpha():
        return 0 if before != before.upper() else value * 0.8
    return value
