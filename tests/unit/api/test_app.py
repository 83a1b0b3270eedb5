"""What happens when the application starts."""

import asyncio

import pytest

from api import app
from api.app import create_app
from core.settings import Settings


@pytest.mark.parametrize("freeze", [False, True])
def test_a_process_of_its_own_leaves_what_it_opened_out_of_the_collector_s_passes(
    monkeypatch, freeze
):
    open_services, happened = app.open_services, []

    def open_them(settings):
        happened.append("opened")
        return open_services(settings)

    monkeypatch.setattr(app, "open_services", open_them)
    monkeypatch.setattr(app, "freeze_gc", lambda: happened.append("frozen"))
    made = create_app(Settings(_env_file=None), freeze=freeze)

    async def start() -> list[str]:
        async with made.router.lifespan_context(made):
            return list(happened)

    assert asyncio.run(start()) == ["opened", "frozen"][: 1 + freeze]
