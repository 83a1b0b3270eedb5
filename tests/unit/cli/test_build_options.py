"""The options of `packshot model build` that belong together, or exclude each other."""

from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands.model.caching import caching_order
from cli.errors import UsageError
from cli.main import app
from modelkit.features.order import BlockCacheOrder, DeepCacheOrder


def order(interval: int | None = None, **changes: Any):
    values: dict[str, Any] = {"branch": 0, "schedule": "uniform", "blockcache": None}
    return caching_order(interval, **values | changes)


def test_nothing_is_kept_unless_asked_for():
    assert order() is None


def test_deepcache_with_its_branch_and_schedule():
    wanted = DeepCacheOrder(interval=3, branch=1, schedule="centred")
    assert order(3, branch=1, schedule="centred") == wanted


def test_blockcache_with_its_threshold():
    assert order(blockcache=0.5) == BlockCacheOrder(threshold=0.5)


def test_only_one_of_them():
    with pytest.raises(UsageError, match="cannot be combined"):
        order(3, blockcache=0.5)


@pytest.mark.parametrize("changes", [{"branch": 1}, {"schedule": "centred"}])
def test_a_branch_and_a_schedule_are_deepcache_s(changes: dict[str, Any]):
    with pytest.raises(UsageError, match="need --deepcache"):
        order(**changes)
    with pytest.raises(UsageError, match="need --deepcache"):
        order(blockcache=0.5, **changes)


def test_a_default_scheduler_that_is_none_is_refused_with_those_that_are():
    result = CliRunner().invoke(app, ["model", "build", "x", "--name", "y", "--scheduler", "heun"])
    assert result.exit_code != 0
    assert "unipc" in str(result.exception or result.output)
