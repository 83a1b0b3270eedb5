"""How a tenant's keys share its window."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.domain.lanes import FIRST, Lane
from core.lifecycle.loads import Load
from core.lifecycle.shares import firsts, take_turns


def load(key: int, *, sent: int = 0, due: int = 0, running: int = 0, first: int = 0) -> Load:
    return Load(
        lane=Lane.STANDARD,
        tenant="shop",
        api_key_id=UUID(int=key),
        sent=sent,
        due=due,
        running=running,
        first=first,
    )


NUMBERS = st.tuples(st.integers(0, 20), st.integers(0, 20))


@given(st.lists(NUMBERS, max_size=12), st.integers(-5, 100))
def test_places_go_to_whoever_has_the_fewest_messages(numbers, room):
    loads = [load(key, sent=sent, due=due) for key, (sent, due) in enumerate(numbers)]
    got = Counter(take_turns(loads, room))
    assert got.total() == min(max(0, room), sum(one.due for one in loads)), "no place is left empty"
    for one in loads:
        assert got[one] <= one.due
        if got[one] < one.due:
            for other in loads:
                had_more = other.sent > one.sent + got[one]
                assert not got[other] or other.sent + got[other] <= one.sent + got[one] + 1
                assert not (had_more and got[other])


def test_equal_keys_alternate():
    turns = take_turns([load(1, due=9), load(2, due=9), load(3, due=9)], 9)
    for number in range(0, 9, 3):
        assert len(set(turns[number : number + 3])) == 3


def test_with_more_keys_than_places_chance_decides():
    """An order of their ids would keep the last ones out for ever."""
    loads = [load(key, due=9) for key in range(10)]
    served = {one for _ in range(300) for one in take_turns(loads, 1)}
    assert served == set(loads)


def test_a_key_with_next_to_nothing_goes_first_whatever_another_has():
    single = load(2, due=1)
    assert firsts([load(1, sent=128, due=128, running=8), single]) == [single]


def test_many_keys_together_get_no_more_of_the_first_queue_than_one():
    assert len(firsts([load(key, due=1) for key in range(FIRST)])) == FIRST
    assert firsts([load(key, due=1) for key in range(FIRST + 1)]) == []


def test_what_a_key_sent_first_counts_when_it_has_more_by_now():
    grown = load(1, sent=FIRST + 1, first=FIRST)
    assert firsts([grown, load(2, due=1)]) == []
