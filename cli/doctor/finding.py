"""What was looked at, and what came of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from core.errors import ServiceDownError


class Condition(StrEnum):
    """How something is."""

    GOOD = "good"
    WORTH_KNOWING = "worth knowing"
    """It works, and could do better, or soon may not."""
    BAD = "bad"
    """Something does not work."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    about: str
    condition: Condition
    said: str
    """A sentence, with what to do where something is not well."""


def good(about: str, said: str) -> Finding:
    """Make a finding of what is well."""
    return Finding(about=about, condition=Condition.GOOD, said=said)


def worth_knowing(about: str, said: str) -> Finding:
    """Make a finding of what works and could be better."""
    return Finding(about=about, condition=Condition.WORTH_KNOWING, said=said)


def bad(about: str, said: str) -> Finding:
    """Make a finding of what does not work."""
    return Finding(about=about, condition=Condition.BAD, said=said)


def asking(about: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Look at a service; that it is away is a finding, too."""
    try:
        return list(look())
    except ServiceDownError as error:
        return [bad(about, error.detail)]
