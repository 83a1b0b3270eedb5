"""How a tenant's keys share its window of messages: pure arithmetic."""

import random
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from core.domain.lanes import FIRST
from core.lifecycle.loads import Load, busy_in_first


def firsts(loads: Sequence[Load]) -> Sequence[Load]:
    """Choose whose messages go to the lane's first queue.

    Args:
        loads: Those of a tenant's keys in a lane.
    """
    if busy_in_first(loads) > FIRST:
        return []
    return [load for load in loads if load.small]


def take_turns(loads: Sequence[Load], room: int) -> Sequence[Load]:
    """Share out places one by one, each to the key with the fewest messages.

    So what they have evens out, whoever came first; and one that has nothing more to send leaves
    its places to the others.

    Args:
        loads: Those of a tenant's keys in a lane.
        room: Places that are free.

    Returns:
        A key's load once for each place that it gets, in their order.
    """
    # By chance among equals: with more keys than places, an order would keep some out for ever.
    order = random.sample(loads, len(loads))
    heap = [(load.sent, place, load.due) for place, load in enumerate(order) if load.due]
    heapify(heap)
    turns: list[Load] = []
    while heap and len(turns) < room:
        sent, place, due = heappop(heap)
        turns.append(order[place])
        if due > 1:
            heappush(heap, (sent + 1, place, due - 1))
    return turns
