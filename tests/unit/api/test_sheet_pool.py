"""Which process reads a sheet, whatever ends those before it."""

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from api.sheets import pool as module
from api.sheets.pool import SheetPool
from api.sheets.process import LARGE_BYTES
from api.sheets.reader import ReceivedRequest
from core.settings import Settings
from tests.unit.api.test_sheet_places import until_idle


class Process:
    """Starts and reads when the test says so; a large sheet has it step back."""

    made: ClassVar[list["Process"]] = []
    waits = False

    def __init__(self, settings: Settings, name: str) -> None:
        self.name, self.lives, self.ends, self.stepped_back = name, False, True, False
        self.may_start, self.may_finish = asyncio.Event(), asyncio.Event()
        self.reads: ReceivedRequest | None = None
        Process.made.append(self)

    async def start(self) -> None:
        if Process.waits:
            await self.may_start.wait()
        self.lives, self.ends = True, False

    async def read(self, request: ReceivedRequest, _deliver: object) -> None:
        self.reads, self.ends = request, True
        self.stepped_back |= request.body.stat().st_size > LARGE_BYTES
        await self.may_finish.wait()
        self.ends = False

    def kill(self) -> None:
        self.lives = False

    def forget(self) -> None:
        self.lives = False


class House:
    """A pool of three processes, all of which live."""

    def __init__(self, folder: Path) -> None:
        self.sheets = {"small": folder / "small", "large": folder / "large"}
        self.sheets["small"].write_bytes(b"sku,prompt\n")
        self.sheets["large"].write_bytes(bytes(LARGE_BYTES + 1))
        self.pool = SheetPool(Settings(_env_file=None, sheet_processes=2))

    async def open(self) -> None:
        self.pool.start()
        await until_idle()
        Process.waits = True

    async def send(self, size: str, tenant: str) -> tuple[ReceivedRequest, asyncio.Task[None]]:
        request = ReceivedRequest(scope={}, body=self.sheets[size])
        task = asyncio.create_task(self.pool.read(tenant, request, asyncio.Queue()))
        await until_idle()
        return request, task


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(module, "SheetProcess", Process)
    monkeypatch.setattr(Process, "made", [])
    monkeypatch.setattr(Process, "waits", False)
    return House(tmp_path)


def reading(request: ReceivedRequest) -> Process | None:
    return next((one for one in Process.made if one.reads is request), None)


async def leave(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until_idle()


def test_clients_that_leave_do_not_use_up_the_process_that_reads_small_sheets(house: House):
    async def run() -> None:
        await house.open()
        for _ in range(2):  # each ends the process that read for it
            request, task = await house.send("large", "flood")
            assert reading(request)
            await leave(task)
        waiting, task = await house.send("large", "flood")
        assert reading(waiting) is None, "two start, and the third is for small sheets"
        small, _ = await house.send("small", "another")
        assert reading(small)
        assert not reading(small).stepped_back
        reading(small).may_finish.set()
        await until_idle()
        assert reading(waiting) is None
        Process.made[-1].may_start.set()
        await until_idle()
        assert reading(waiting), "once another has started"
        await leave(task)

    asyncio.run(run())


def test_a_large_sheet_has_the_last_process_where_none_starts(house: House):
    async def run() -> None:
        await house.open()
        tasks = [await house.send("small", "one"), await house.send("small", "another")]
        reading(tasks[0][0]).may_finish.set()
        await until_idle()
        large, task = await house.send("large", "one")
        assert reading(large)
        await leave(task)
        await leave(tasks[1][1])

    asyncio.run(run())


def test_what_read_a_large_sheet_reads_the_next_large_one_and_no_small_one(house: House):
    async def run() -> None:
        await house.open()
        first, _ = await house.send("large", "flood")
        reading(first).may_finish.set()
        await until_idle()
        again, task = await house.send("large", "flood")
        small, other = await house.send("small", "another")
        assert reading(again) is not None
        assert again is reading(again).reads
        assert reading(again) is not reading(small)
        assert [one.stepped_back for one in (reading(again), reading(small))] == [True, False]
        assert sum(one.stepped_back for one in Process.made) == 1
        await leave(task)
        await leave(other)

    asyncio.run(run())
