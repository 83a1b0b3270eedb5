import threading

from worker.memory import MemoryGuard


def test_too_much_memory_calls_for_a_shutdown_once():
    called = threading.Event()
    calls = []

    def on_excess():
        calls.append(1)
        called.set()

    guard = MemoryGuard(limit_mib=1, on_excess=on_excess, interval_seconds=0.001)
    guard.start()
    assert called.wait(60)
    guard._thread.join(60)
    assert calls == [1]


def test_without_a_limit_nothing_runs():
    guard = MemoryGuard(limit_mib=0, on_excess=lambda: None)
    guard.start()
    assert not guard._thread.is_alive()


def test_a_limit_that_is_not_reached_calls_for_nothing():
    calls = []
    guard = MemoryGuard(limit_mib=10**6, on_excess=lambda: calls.append(1), interval_seconds=0.001)
    guard.start()
    guard.stop()
    guard._thread.join(60)
    assert calls == []
