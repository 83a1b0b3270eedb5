"""Titles as shops write them, without what says nothing of a look.

Codes, sizes, units, prices, shipping, words of sales, emoji, and the brand; never so much that no
word is left.
"""

import re
import unicodedata
from functools import lru_cache

from catalogue.prompts.attributes import folded, is_size
from catalogue.prompts.mentions import mentions
from catalogue.prompts.vocabulary import (
    CODES,
    COUNTED,
    NO_TITLES,
    NOTHING,
    PHRASES,
    TITLE_SIZES,
    TITLE_WORDS,
    UNITS,
)

LONGEST_TITLE = 1000
"""Characters with the brand's; longer ones stay as they came. Feeds allow 150."""
_MARKS = re.compile("[™®©\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]")
_SYMBOLS = re.compile("[\u2190-\u2bff\U0001f000-\U0001faff]+")
_NUMBER = r"\d+(?:[.,/]\d+)*"
_BEFORE = r"(?<![\w.,])(?:(?:ca|max|min|approx|up to|bis|ab|ø)\.? ?)?"
_NOISE = [
    re.compile(one, re.IGNORECASE)
    for one in (
        *(rf"(?<!\w)(?:{phrase})(?!\w)" for phrase in PHRASES),
        r"(?<!\w)[-+]?\d+(?:[.,]\d+)? ?% ?(?:off|rabatt|reduziert|discount|sale|korting|sconto)?",
        rf"(?<!\w)(?:{CODES})",
        rf"(?<!\w)(?:{TITLE_SIZES})(?!\w)",
        rf"(?<!\w)(?:{COUNTED})(?!\w)",
        rf"{_BEFORE}{_NUMBER} ?[x×*] ?{_NUMBER}(?: ?[x×*] ?{_NUMBER})?(?: ?(?:{UNITS}))?(?!\w)",
        rf"{_BEFORE}{_NUMBER}(?:-{_NUMBER})? ?-?(?:{UNITS})(?!\w)(?! ?\d* in \d)",
        r"(?<!\w)\d{4} ?k(?!\w)",
        r"(?<!\w)\d+ ?[/:] ?\d+ scale(?!\w)|(?<!\w)scale \d+ ?[/:] ?\d+",
        r"(?<!\w)v(?:er(?:sion)?)?\.? ?\d+(?:\.\d+)*(?!\w)(?<!v\d)",
        r"[$€£¥] ?\d[\d.,]*|(?<![\d.,])\d[\d.,]*+ ?(?:[$€£¥]|eur\b|usd\b)",
    )
]
_CODE = re.compile(
    r"(?<!\S)(?=\S*\d\S*\d)(?=\S*[A-Z])#?[A-Z0-9]+(?:[-/][A-Z0-9]+)*(?=[\s,;)]|$)"
    r"|(?<![\w.,])#?\d{5,}(?!\w)"
)
_BRACKETS = re.compile(r"[(\[{【]([^()\[\]{}【】]*)[)\]}】]")
_SEPARATOR = re.compile(r"(\s+[-–—/•·:]+\s+|\s*[|\x1f]+\s*|[,;!]+(?=\s|$)\s*)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_WORD = re.compile(r"[^\W_]+")
_LETTERS = re.compile(r"[^\W\d_].*[^\W\d_]|[\u3040-\u9fff\uac00-\ud7af]")
_ONE_CODE = re.compile(r"(?=(?:\S*\d){3})\S+")
_COPY_OF = re.compile(r"\s*(?:copy of|kopie von|copie de|copia (?:de|di))\s+", re.IGNORECASE)
_NO_TITLE = re.compile(NO_TITLES)


def tidy(title: str, brand: str = "") -> str:
    """Return a title without codes, sizes, sales and its brand.

    `Kaai Harbour Mug 350ml - SKU HM-0042 ⭐ Free Shipping!` of the brand Kaai is `Harbour Mug`.
    What has no word left stays as it came.

    Args:
        title: As text, without markup.
        brand: The product's, as the sheet says it.
    """
    if len(title) + len(brand) > LONGEST_TITLE:
        return " ".join(title.split())
    return _tidy(title, brand)


@lru_cache(maxsize=10_000)
def _tidy(title: str, brand: str) -> str:
    text = _COPY_OF.sub("", title, count=1) if _COPY_OF.match(title) else title
    text = _SYMBOLS.sub(" \x1f ", unicodedata.normalize("NFKC", _MARKS.sub("", text)))
    text = _BRACKETS.sub(_of_brackets, text)
    pieces = _SEPARATOR.split(text)
    parts, seen = [], set()
    for at in range(0, len(pieces), 2):
        part = _of_part(pieces[at], brand)
        key = "".join(_WORD.findall(folded(part)))
        if key and key not in seen:
            seen.add(key)
            parts.append((pieces[at - 1] if at else "", part))
    joined = "".join(
        part if not at else f"{_joint(separator)}{part}"
        for at, (separator, part) in enumerate(parts)
    )
    return joined if has_words(joined) else " ".join(title.split())


def essential_first(title: str, kind: str) -> str:
    """Return a title that begins with the part of it that says what the product is.

    `Home Collection - Ceramic - Harbour Mug` of the type `Mugs` is `Harbour Mug, Home Collection,
    Ceramic`: where a title is cut off at its end, the product stays.

    Args:
        title: Cleaned.
        kind: The product's type; where no part mentions it, the title stays as it is.
    """
    parts = _SEPARATOR.split(title)[::2]
    found = next((at for at, part in enumerate(parts) if kind and mentions(part, kind)), 0)
    return ", ".join([parts[found], *parts[:found], *parts[found + 1 :]]) if found else title


def has_words(title: str) -> bool:
    """Check whether a title names a product: not `4006381333931`, `N/A`, `A` or `Test product`."""
    text = folded(title)
    return bool(
        _LETTERS.search(text)
        and text not in NOTHING
        and not _ONE_CODE.fullmatch(text)
        and not _NO_TITLE.fullmatch(text)
    )


def _of_brackets(found: re.Match[str]) -> str:
    return " " if _is_noise(_without_noise(found[1])) else f" ({found[1]}) "


def _of_part(part: str, brand: str) -> str:
    """Return what a part of a title says, nothing when that is only noise."""
    text = _without_brand(_without_noise(part), brand)
    return "" if _is_noise(text) else text


def _without_noise(text: str) -> str:
    for noise in _NOISE:
        text = noise.sub(" ", text)
    text = _CODE.sub(" ", text)
    return " ".join(re.sub(r"\(\s*\)", " ", text).split()).strip(" -–—|/•·:,;!*_~+#.")


def _is_noise(text: str) -> bool:
    words = [word for word in _WORD.findall(folded(text)) if not _YEAR.fullmatch(word)]
    return all(word in TITLE_WORDS for word in words) or is_size(folded(text))


def _without_brand(text: str, brand: str) -> str:
    """Leave out the brand where it begins or ends a part, unless it is all of its words."""
    name = folded(brand)
    if len(name) < 2 or name not in folded(text):
        return text
    words = r"\s+".join(map(re.escape, brand.split()))
    rest = re.sub(
        rf"^\s*{words}(?:'s)?(?!\w)\W*|(?:\W*(?:by|von|de|from))?\W*(?<!\w){words}\s*$",
        "",
        text,
        flags=re.IGNORECASE,
    )
    return rest.strip()


def _joint(separator: str) -> str:
    """Return what stands between two parts of a title that were kept."""
    mark = separator.strip(" \t\x1f")
    if not mark:
        return " "
    return ", " if mark[0] in ",;!|•·" else f" {mark} "
