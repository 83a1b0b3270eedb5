"""Who reads downloads: threads that one tenant does not hold alone."""

import threading
from collections.abc import Iterator

import anyio
import pytest

from api.turns.downloads import DownloadsBusyError, DownloadThreads


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """What a storage that hangs answers with when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_tenant_whose_downloads_hang_leaves_half_of_the_threads(hung):
    """Of four: two are theirs, and whoever comes next of them is refused."""
    begun = threading.Semaphore(0)

    def hang() -> None:
        begun.release()
        hung.wait()

    async def run() -> None:
        threads = DownloadThreads(4)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(threads.run, "flood", hang)
            for _ in range(2):
                await anyio.to_thread.run_sync(begun.acquire)
            with pytest.raises(DownloadsBusyError):
                await threads.run("flood", lambda: None, patience=0.01)
            assert await threads.run("shop", lambda: "a page", patience=30) == "a page"
            hung.set()
        assert await threads.run("flood", lambda: "a page", patience=30) == "a page"

    anyio.run(run)


def test_who_leaves_while_it_waits_takes_no_thread(hung):
    async def run() -> None:
        threads = DownloadThreads(1)
        async with anyio.create_task_group() as group:
            group.start_soon(threads.run, "shop", hung.wait)
            await anyio.sleep(0)
            with anyio.move_on_after(0.01):
                await threads.run("shop", lambda: None)
            hung.set()
        assert await threads.run("shop", lambda: "a page", patience=30) == "a page"

    anyio.run(run)
