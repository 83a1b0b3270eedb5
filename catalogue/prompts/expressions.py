"""What templates' expressions can do: the filters and tests of Jinja2 that are left, bounded."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from catalogue.prompts.markup import plain_text
from catalogue.prompts.mentions import mentions

LONGEST_TEXT = 100_000
"""Characters that a rendering may have before white space is folded, and that one expression may
put together."""
MOST_WORK = 2_000_000
"""Characters that the filters and tests of one rendering may look at, all together."""
_FILTERS = ("capitalize", "default", "d", "lower", "upper", "title", "trim", "truncate", "first",
            "last", "length")  # fmt: skip
_TESTS = ("defined", "undefined", "none", "string", "number", "true", "false", "in", "eq", "ne",
          "lower", "upper")  # fmt: skip
_JOIN = "join"


class TemplateProblemError(Exception):
    """A template cannot be used, or not with this row; the message says why."""


class _Environment(ImmutableSandboxedEnvironment):
    """Looks things up in mappings and lists only: no attribute of an object is within reach."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)


def _replace(value: Any, old: str, new: str) -> str:
    text, old, new = str(value), str(old), str(new)
    if len(text) + text.count(old) * len(new) > LONGEST_TEXT:
        raise TemplateProblemError(f"`replace` would make more than {LONGEST_TEXT:,} characters.")
    return text.replace(old, new)


def _join(values: Any, separator: str = "") -> str:
    texts = [str(value) for value in values]
    WORK.take(*texts)
    if sum(map(len, texts)) + len(texts) * len(separator) > LONGEST_TEXT:
        raise TemplateProblemError(
            f"`join` and `~` would make more than {LONGEST_TEXT:,} characters."
        )
    return separator.join(texts)


def _strip_tags(value: Any) -> str:
    return plain_text(str(value))


def _mentions(text: Any, words: Any) -> bool:
    return mentions(str(text), str(words))


class _Work(threading.local):
    """What is left of the work of this thread's rendering."""

    left = MOST_WORK

    def begin(self) -> None:
        """Begin a rendering."""
        self.left = MOST_WORK

    def take(self, *values: Any) -> None:
        """Count the characters of texts.

        Raises:
            TemplateProblemError: They are too many.
        """
        self.left -= 1 + sum(len(value) for value in values if isinstance(value, str))
        if self.left < 0:
            raise TemplateProblemError(
                f"The template's filters and tests read more than {MOST_WORK:,} characters of "
                "this row. Use fewer of them, or shorter cells."
            )


WORK = _Work()
"""Of the rendering that this thread is in."""


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Count the characters that a filter or test looks at before it does."""

    # With the attributes by which Jinja2 knows what to hand it.
    @wraps(function)
    def count(*given: Any, **named: Any) -> Any:
        WORK.take(*given, *named.values())
        return function(*given, **named)

    return count


def _make_environment() -> _Environment:
    environment = _Environment(undefined=StrictUndefined, autoescape=False, cache_size=0)
    environment.globals.clear()
    kept: dict[str, Any] = {name: environment.filters[name] for name in _FILTERS}
    environment.filters.clear()
    filters = kept | {"replace": _replace, "join": _join, "striptags": _strip_tags}
    environment.filters.update({name: _counted(one) for name, one in filters.items()})
    tests: dict[str, Any] = {name: environment.tests[name] for name in _TESTS}
    environment.tests.clear()
    tests |= {"mentioning": _mentions}
    environment.tests.update({name: _counted(one) for name, one in tests.items()})
    return environment


ENVIRONMENT = _make_environment()


class BoundedConcat(NodeTransformer):
    """Has `a ~ b` count its characters before it puts them together, as `join` does."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        """Put a counted filter in the place of one `~`, or of several."""
        place = {"lineno": node.lineno, "environment": node.environment}
        self.generic_visit(node)
        parts = nodes.List(node.nodes, **place)
        return nodes.Filter(parts, _JOIN, [], [], None, None, **place)
