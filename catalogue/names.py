"""Names of columns: how people write them, and how they are looked up."""

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache

_LONGEST_KEPT = 100
_LONGEST_MEANT = 60
"""Characters of a name that is compared with known ones; the comparison is quadratic in them."""
_OTHER = re.compile(r"[^\w]+")


def canonical(name: str) -> str:
    """Fold a name: `Negative Prompt`, `negative-prompt` and `NEGATIVE_PROMPT` are one."""
    return _canonical(name) if len(name) <= _LONGEST_KEPT else _fold(name)


def _fold(name: str) -> str:
    return _OTHER.sub("_", name.strip().lower()).strip("_")


# A template asks for the names of all columns for every row.
_canonical = lru_cache(maxsize=10_000)(_fold)


def closest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Find the known name that was most likely meant, as it is written in `known`."""
    if len(name) > _LONGEST_MEANT:
        return None
    written = {canonical(one): one for one in known if len(one) <= _LONGEST_MEANT}
    found = difflib.get_close_matches(canonical(name), written, n=1, cutoff=cutoff)
    return written[found[0]] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean …?`, or nothing when no known name is close."""
    found = closest(name, known)
    return f" Did you mean {found!r}?" if found else ""
