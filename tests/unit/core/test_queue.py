"""The order in which lanes are asked."""

from collections import Counter

from core.queue import LANES, LaneCycle


def cycle(*, share: int) -> LaneCycle:
    lanes = LaneCycle(share=share)
    lanes.update({"bulk", "interactive", "standard"})
    return lanes


def test_lanes_are_asked_in_their_order():
    assert cycle(share=8).consume(3) == list(LANES) == ["interactive", "standard", "bulk"]


def test_bulk_comes_first_every_so_often():
    lanes = cycle(share=4)
    first = Counter(lanes.consume(3)[0] for _ in range(40))
    assert first == {"interactive": 30, "bulk": 10}


def test_an_unknown_queue_comes_last():
    lanes = LaneCycle(share=8)
    lanes.update({"other", "bulk"})
    assert lanes.consume(2) == ["bulk", "other"]
