"""The thread that writes what a process gathered."""

from core.flusher import Flusher
from tests.integration.shop import poll


def test_an_error_without_a_text_does_not_end_the_thread():
    rounds = []

    def write():
        rounds.append(1)
        if len(rounds) < 3:
            raise TimeoutError

    flusher = Flusher([write], seconds=0.001)
    flusher.start()
    poll(lambda: len(rounds) > 5)
    flusher.stop()


def test_one_writer_that_fails_does_not_keep_the_next_from_writing():
    written = []

    def fail():
        raise ValueError("\n")

    Flusher([fail, lambda: written.append(1)], seconds=60).flush()
    assert written == [1]


def test_the_rest_is_written_at_the_end():
    written = []
    flusher = Flusher([lambda: written.append(1)], seconds=3600)
    flusher.start()
    flusher.stop()
    assert written == [1]
