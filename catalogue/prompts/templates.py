"""Prompt templates: Jinja2 expressions over a row's columns, without anything that can run long.

Templates come from callers, so only a part of Jinja2 is taken: text, `{{ column }}`, filters that
do not grow their input, conditions. No loops, no calls, no arithmetic, no assignments: the time
and the length of a rendering are bounded by those of the template and of the cells, and both of
those are bounded too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any

from jinja2 import TemplateSyntaxError, UndefinedError, nodes
from jinja2.meta import find_undeclared_variables

from catalogue.checks import LONGEST_PROMPT
from catalogue.names import canonical, suggestion
from catalogue.prompts.expressions import (
    ENVIRONMENT,
    LONGEST_TEXT,
    WORK,
    BoundedConcat,
    TemplateProblemError,
)

LONGEST_TEMPLATE = 10_000
"""Characters."""
LONGEST_SEEN = 20_000
"""Characters of a cell that a template sees: several times what a prompt may have."""
MOST_PARTS = 1000
"""Texts, names, filters and conditions of one template."""
DEEPEST = 30
"""Levels of expressions inside each other."""

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Filter,
    nodes.Test, nodes.Concat, nodes.Getattr, nodes.Getitem, nodes.Tuple, nodes.List,
    nodes.Keyword,
)  # fmt: skip

_TOO_DEEP = "The template is nested too deeply."
ROW = "row"
"""What templates call all of a row."""
_OWN_NAMES = ("self", "super")
"""Names that Jinja2 keeps for itself."""


class UnknownColumnError(TemplateProblemError):
    """A template uses a column that the row does not have."""

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        super().__init__()
        self.name = name
        self._columns = columns

    def __str__(self) -> str:
        # Only when somebody reads it: comparing names of columns takes longer than a rendering.
        return (
            f"The template uses {self.name!r}, which is no column; there are "
            f"{', '.join(map(repr, self._columns))}.{suggestion(self.name, self._columns)}"
        )


class PromptTemplate:
    """One template, ready to be rendered for many rows."""

    def __init__(self, source: str) -> None:
        """Compile it.

        Raises:
            TemplateProblemError: It is too long, no Jinja2, or uses more than is allowed.
        """
        if len(source) > LONGEST_TEMPLATE:
            raise TemplateProblemError(
                f"The template has {len(source):,} characters; the limit is {LONGEST_TEMPLATE:,}."
            )
        try:
            # Looked at before it is compiled: the compiler already evaluates constants.
            tree = ENVIRONMENT.parse(source)
            parts = sum(1 for _ in _look_at(tree))
            if parts > MOST_PARTS:
                raise TemplateProblemError(
                    f"The template has {parts:,} parts; the limit is {MOST_PARTS:,}. Shorten it."
                )
            self._names = find_undeclared_variables(tree)
            WORK.begin()
            self._template = ENVIRONMENT.from_string(BoundedConcat().visit(tree))
        except TemplateSyntaxError as error:
            raise TemplateProblemError(
                f"The template cannot be read: {error.message} (its line {error.lineno})."
            ) from error
        except RecursionError as error:
            raise TemplateProblemError(_TOO_DEEP) from error
        except ValueError as error:
            raise TemplateProblemError(f"The template cannot be read: {error}.") from error

    def render(self, cells: Mapping[str, Any]) -> str:
        """Write the prompt of one row.

        Every column can be named as it is (`{{ color }}`), folded (`Main Color` is
        `{{ main_color }}`) or quoted (`{{ row['Main Color'] }}`). White space runs become one
        blank.

        Raises:
            UnknownColumnError: The row has no such column.
            TemplateProblemError: It cannot be rendered with these cells, or becomes too long.
        """
        try:
            text = self._write(variables(cells, self._names))
        except UndefinedError as error:
            raise _unknown(error, list(cells)) from error
        except TemplateProblemError:
            raise
        # Filters fail in any way on what they are not made for, even by assertions.
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise TemplateProblemError(f"The template fails on this row: {reason}.") from error
        text = " ".join(text.split())
        if len(text) > LONGEST_PROMPT:
            raise TemplateProblemError(
                f"The template makes a prompt of {len(text):,} characters; {LONGEST_PROMPT:,} is "
                "the most."
            )
        return text

    def names(self, column: str) -> bool:
        """Check whether it has a column by this name, by itself and not as one of `row`."""
        return column in self._names

    def _write(self, values: Mapping[str, Any]) -> str:
        """Render piece by piece, and stop when there is too much."""
        pieces, length = [], 0
        WORK.begin()
        for piece in self._template.generate(values):
            length += len(piece)
            if length > LONGEST_TEXT:
                raise TemplateProblemError(
                    f"The template makes more than {LONGEST_TEXT:,} characters of this row; a "
                    f"prompt has at most {LONGEST_PROMPT:,}."
                )
            pieces.append(piece)
        return "".join(pieces)


def variables(cells: Mapping[str, Any], names: Set[str]) -> dict[str, Any]:
    """Return what a template names: columns as they are or folded, and `row`, which has them all.

    Nothing else of a row is looked at, which may have a thousand columns.
    """
    found = {name: _seen(cells[name]) for name in names if name in cells}
    if ROW in names:
        found[ROW] = {name: _seen(value) for name, value in cells.items()}
    if others := names - found.keys():
        written = _by_folded_name(tuple(cells))
        found |= {name: _seen(cells[written[name]]) for name in others if name in written}
    return found


@lru_cache(maxsize=64)
def _by_folded_name(columns: tuple[str, ...]) -> Mapping[str, str]:
    # The rows of a sheet have the same columns, or nearly.
    return {canonical(name): name for name in columns}


def _seen(value: Any) -> Any:
    if value is None:
        return ""
    return value[:LONGEST_SEEN] if isinstance(value, str) else value


def _look_at(node: nodes.Node, depth: int = 0) -> Iterator[nodes.Node]:
    """Yield a node and all in it, each found harmless."""
    if depth > DEEPEST:
        raise TemplateProblemError(_TOO_DEEP)
    if not isinstance(node, _ALLOWED):
        raise TemplateProblemError(
            f"The template uses {_described(node)}, which prompts do not need. Text, "
            "{{ columns }}, filters and {% if %} are there."
        )
    if isinstance(node, nodes.Filter) and node.name not in ENVIRONMENT.filters:
        known = ", ".join(sorted(ENVIRONMENT.filters))
        raise TemplateProblemError(f"There is no filter {node.name!r}; there are {known}.")
    if isinstance(node, nodes.Test) and node.name not in ENVIRONMENT.tests:
        known = ", ".join(sorted(ENVIRONMENT.tests))
        raise TemplateProblemError(f"There is no test {node.name!r}; there are {known}.")
    if isinstance(node, nodes.Name) and node.name in _OWN_NAMES:
        raise TemplateProblemError(
            f"{node.name!r} is a word of the template language. For a column of that name, write "
            f"{{{{ row['{node.name}'] }}}}."
        )
    yield node
    for child in node.iter_child_nodes():
        yield from _look_at(child, depth + 1)


def _described(node: nodes.Node) -> str:
    known = {
        nodes.For: "a loop",
        nodes.Call: "a call (write {{ color|lower }} instead of {{ color.lower() }})",
        nodes.Assign: "an assignment",
        nodes.BinExpr: "arithmetic (write `a ~ b` to put texts together)",
    }
    found = (words for kind, words in known.items() if isinstance(node, kind))
    return next(found, f"`{type(node).__name__.lower()}`")


def _unknown(error: UndefinedError, columns: Sequence[str]) -> TemplateProblemError:

    found = re.search(r"'([^']*)' is undefined|has no attribute '([^']*)'", str(error))
    name = (found[1] or found[2]) if found else ""
    if not name:
        return TemplateProblemError(f"The template fails on this row: {error}.")
    return UnknownColumnError(name, columns)
