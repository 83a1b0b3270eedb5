"""One bad row does not fail the rows beside it."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from worker.isolation import isolated, share_calls


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


@given(st.lists(st.tuples(st.integers(), st.booleans(), st.sampled_from("ab"))))
def test_what_runs_alone_shares_no_call_and_the_rest_of_a_model_one(
    items: list[tuple[int, bool, str]],
):
    calls = share_calls(items, model=lambda item: item[2], solo=lambda item: item[1])
    assert Counter(item for call in calls for item in call) == Counter(items)
    assert all(len(call) == 1 for call in calls if any(solo for _, solo, _ in call))
    together = [call for call in calls if not call[0][1]]
    assert len(together) == len({model for _, solo, model in items if not solo})
    for call in together:
        assert call == [item for item in items if not item[1] and item[2] == call[0][2]]
    assert all(calls)
