"""The legal changes of state, read from the one table that has them."""

import pytest

from core.domain.states import (
    IN_FLIGHT,
    LEGAL,
    OPEN_JOB,
    BatchState,
    DeliveryState,
    GenerationState,
    JobState,
    State,
    is_final,
    sources_of,
)

EVERY_STATE = [state for kind in LEGAL for state in kind]


def ids(state: State) -> str:
    return f"{type(state).__name__}.{state.name}"


@pytest.mark.parametrize("state", EVERY_STATE, ids=ids)
def test_every_state_has_its_own_entry(state: State) -> None:
    assert all(type(follower) is type(state) for follower in LEGAL[type(state)][state])


@pytest.mark.parametrize("state", EVERY_STATE, ids=ids)
def test_sources_are_states_of_the_same_kind(state: State) -> None:
    # `JobState.RUNNING == BatchState.RUNNING`: only their types tell them apart.
    assert all(type(source) is type(state) for source in sources_of(state))


@pytest.mark.parametrize(
    ("target", "sources"),
    [
        (BatchState.COMPLETED, (BatchState.RUNNING,)),
        (BatchState.CANCELED, (BatchState.RUNNING,)),
        (JobState.QUEUED, (JobState.RUNNING,)),
        (JobState.RUNNING, (JobState.QUEUED,)),
        (JobState.SUCCEEDED, OPEN_JOB),
        (JobState.FAILED, OPEN_JOB),
        (JobState.CANCELED, OPEN_JOB),
        (GenerationState.QUEUED, (GenerationState.RUNNING,)),
        (GenerationState.RUNNING, (GenerationState.QUEUED,)),
        (GenerationState.SUCCEEDED, (GenerationState.RUNNING,)),
        (GenerationState.FAILED, IN_FLIGHT),
        (GenerationState.CANCELED, IN_FLIGHT),
        (DeliveryState.PENDING, ()),
        (DeliveryState.DELIVERED, (DeliveryState.PENDING,)),
        (DeliveryState.FAILED, (DeliveryState.PENDING,)),
    ],
    ids=lambda value: ids(value) if not isinstance(value, tuple) else "",
)
def test_where_a_state_may_come_from(target: State, sources: tuple[State, ...]) -> None:
    assert sources_of(target) == sources


def test_the_open_states_are_those_that_something_follows() -> None:
    assert {state for state in JobState if not is_final(state)} == set(OPEN_JOB)
    assert {state for state in GenerationState if not is_final(state)} == set(IN_FLIGHT)
    assert [state for state in BatchState if not is_final(state)] == [BatchState.RUNNING]
