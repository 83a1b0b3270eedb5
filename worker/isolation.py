"""One bad row must not fail the rows beside it."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Out = TypeVar("Out")


def isolated(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], Iterable[Out]],
    on_failure: Callable[[Item, Exception], None],
) -> list[tuple[Item, Out]]:
    """Run `work` for all items at once; when that fails, for each item alone.

    Args:
        items: What shares the call.
        work: Gives one output per item; changes nothing when it raises.
        on_failure: Hears of each item that fails alone.

    Returns:
        The items that succeeded, with their outputs.
    """
    if not items:
        return []
    try:
        return list(zip(items, work(items), strict=True))
    except Exception as error:  # whatever the model raises
        if len(items) == 1:
            on_failure(items[0], error)
            return []
    return [pair for item in items for pair in isolated([item], work, on_failure)]


def share_calls(
    items: Sequence[Item],
    *,
    model: Callable[[Item], Hashable],
    solo: Callable[[Item], bool] = lambda _: False,
) -> list[list[Item]]:
    """Divide items into model calls: one of a model for all that may share it, one for each other.

    Args:
        items: In order; it is kept.
        model: Names an item's model.
        solo: Whether an item may share no call.
    """
    together: dict[Hashable, list[Item]] = {}
    for item in items:
        if not solo(item):
            together.setdefault(model(item), []).append(item)
    return [*together.values(), *([item] for item in items if solo(item))]
