"""One bad row does not fail the rows beside it."""

from collections.abc import Sequence

from worker.isolation import isolated


def halves(items: Sequence[int]) -> list[int]:
    if any(item % 2 for item in items):
        raise ValueError("odd")
    return [item // 2 for item in items]


def test_everything_goes_in_one_call_when_nothing_fails():
    calls = []

    def work(items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        return halves(items)

    failed: list[int] = []
    assert isolated([2, 4], work, lambda item, _: failed.append(item)) == [(2, 1), (4, 2)]
    assert calls == [[2, 4]]
    assert failed == []


def test_only_the_bad_one_fails():
    failed: dict[int, str] = {}
    done = isolated([2, 3, 4], halves, lambda item, error: failed.update({item: str(error)}))
    assert done == [(2, 1), (4, 2)]
    assert failed == {3: "odd"}


def test_nothing_to_do_is_not_a_call():
    assert isolated([], halves, lambda *_: None) == []
