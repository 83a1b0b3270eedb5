"""Which models are in memory: loaded when rows ask, within a budget, and taking turns."""

import os
import shutil
import signal
import threading
import weakref
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from bundles.manifest import Manifest
from bundles.manifest_file import save_manifest
from core.errors import BundleError
from worker.bundle_folder import RETRY_SECONDS
from worker.loaded import LoadedModel
from worker.registry import (
    WANT_SECONDS,
    ModelNotLoadedError,
    Registry,
)
from worker.residents import STAY_LOADS, STAY_SECONDS

SIZE = 100
"""Bytes of a bundle's weights here."""

IDLE_SECONDS = 900.0


class Compiled:
    """A compiled model as far as the registry sees it."""

    taught = ()
    feature_caching = None

    def encode(self, texts):
        raise AssertionError("nobody asks")


class Machine:
    """Folders of bundles, a clock that the test sets, and memory that loading takes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 1000.0
        self.memory = 0
        self.seconds = 1.0
        """Of a load."""
        self.broken: set[str] = set()
        self.loads: list[str] = []
        self.blocked: dict[int, set[signal.Signals]] = {}
        """Signals that a thread that loads does not get."""
        self.during = lambda: None

    def clock(self) -> float:
        return self.now

    def write(self, name: str, revision: str, *, weight: int = SIZE) -> str:
        """Write a bundle, in the place of an older one; give its revision."""
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "unet").mkdir(parents=True)
        (folder / "unet" / "openvino_model.bin").write_bytes(bytes(weight))
        manifest = Manifest(name=name, revision=revision[0] * 64, source="test")
        save_manifest(manifest, folder)
        return manifest.revision

    def load(self, folder: Path, manifest: Manifest) -> LoadedModel:
        self.loads.append(manifest.name)
        self.blocked[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self.now += self.seconds
        self.memory += SIZE
        self.during()
        if manifest.name in self.broken:
            raise BundleError("its UNet cannot be read")
        return LoadedModel(Compiled(), revision=manifest.revision)  # type: ignore[arg-type]

    def registry(self, *names: str, budget: int = 2 * SIZE, free: int = 2**40) -> Registry:
        return Registry(
            {name: self.root / name for name in names},
            self.load,
            budget_bytes=budget,
            idle_seconds=IDLE_SECONDS,
            clock=self.clock,
            resident_bytes=lambda: self.memory,
            free_bytes=lambda: free - self.memory,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def abc(machine: Machine) -> tuple[str, str, str]:
    a, b, c = (machine.write(name, name) for name in "abc")
    return a, b, c


@pytest.fixture
def registry(machine: Machine, abc: tuple[str, str, str]) -> Registry:
    """Three models, of which two fit; the first is loaded."""
    registry = machine.registry("a", "b", "c")
    registry.load_default()
    return registry


def turn_until_quiet(registry: Registry) -> None:
    while registry.turn():
        pass


def metric(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(f"packshot_{name}", labels)
    assert value is not None, "it is there from the start"
    return value


def test_the_first_is_loaded_at_once_and_the_others_when_a_row_asks(registry, machine, abc):
    a, b, c = abc
    assert registry.claimable() == {a}
    assert registry.served() == {a, b, c}, "a model is served when it can be loaded"
    turn_until_quiet(registry)
    assert machine.loads == ["a"]

    assert registry.want(b)
    turn_until_quiet(registry)
    assert registry.claimable() == {a, b}
    assert not registry.want("f" * 64)
    turn_until_quiet(registry)
    assert machine.loads == ["a", "b"]
    with registry.using(b) as model:
        assert model is registry[b]
        assert model.revision == b
    with pytest.raises(ModelNotLoadedError), registry.using(c):
        pass


def test_all_models_are_loaded_in_a_thread_that_gets_no_signals(registry, machine, abc):
    registry.want(abc[1])
    turn_until_quiet(registry)
    assert len(machine.loads) == 2
    (blocked,) = machine.blocked.values()
    assert blocked >= {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
    assert threading.get_ident() not in machine.blocked


def test_the_least_recently_used_model_without_rows_makes_room(registry, machine, abc):
    a, b, c = abc
    unloads = metric("model_unloads_total", reason="budget")
    loads = metric("model_loads_total", outcome="loaded")
    registry.want(b)
    turn_until_quiet(registry)
    machine.now += STAY_SECONDS
    with registry.using(a):
        machine.now += 1
    gone = weakref.ref(registry[b])
    registry.want(c)
    turn_until_quiet(registry)
    assert registry.claimable() == {a, c}
    assert gone() is None, "its memory is free"
    assert registry.served() == {a, b, c}
    assert metric("model_unloads_total", reason="budget") == unloads + 1
    assert metric("model_loads_total", outcome="loaded") == loads + 2
    assert metric("models_loaded") == 2
    assert metric("models_bytes") == 2 * SIZE

    machine.now += STAY_SECONDS
    registry.want(b)
    turn_until_quiet(registry)
    assert registry.claimable() == {b, c}, "and comes back"


def test_a_model_that_has_rows_stays_until_they_are_done_and_takes_no_more(registry, machine, abc):
    a, b, _ = abc
    registry = machine.registry("a", "b", budget=SIZE)
    registry.load_default()
    with registry.using(a):
        registry.want(b)
        assert not registry.turn()
        assert registry.claimable() == {a}, "it has not had its time yet"
        machine.now += STAY_SECONDS
        registry.want(b)
        assert not registry.turn()
        assert registry.claimable() == set(), "its rows end, no new ones begin"
        assert registry.want(a), "it is served all the same"
        assert not registry.turn()
        assert registry.served() == {a, b}
    assert registry.turn()
    assert registry.claimable() == {b}


def test_models_that_do_not_fit_together_take_turns_however_many_rows_they_have(machine, abc):
    a, b, _ = abc
    registry = machine.registry("a", "b", budget=SIZE)
    machine.seconds = 20.0
    registry.load_default()
    times: dict[str, float] = {a: 0.0, b: 0.0}
    for _ in range(2000):
        began = machine.now
        for one in (a, b):
            if one in registry.claimable():
                with registry.using(one):
                    machine.now += 1
                    registry.turn()
                times[one] += machine.now - began
            else:
                registry.want(one)
        machine.now += 0.1
        registry.turn()
    assert min(times.values()) > 0.3 * sum(times.values()), times
    spent_loading = len(machine.loads) * machine.seconds
    assert spent_loading <= (machine.now - 1000.0) / (STAY_LOADS + 1) + machine.seconds


def test_who_is_not_wanted_any_more_sends_nobody_away(registry, machine, abc):
    a, b, _ = abc
    registry = machine.registry("a", "b", budget=SIZE)
    registry.load_default()
    machine.now += STAY_SECONDS
    with registry.using(a):
        registry.want(b)
        registry.turn()
        assert registry.claimable() == set()
        machine.now += WANT_SECONDS + 1
        registry.turn()
        assert registry.claimable() == {a}
    turn_until_quiet(registry)
    assert machine.loads == ["a", "a"]


def test_one_model_may_take_more_than_the_budget(machine):
    a = machine.write("a", "a", weight=10 * SIZE)
    b = machine.write("b", "b", weight=10 * SIZE)
    registry = machine.registry("a", "b", budget=1)
    registry.load_default()
    machine.now += STAY_SECONDS
    turn_until_quiet(registry)
    assert registry.claimable() == {a}, "it makes room for another one only"
    registry.want(b)
    turn_until_quiet(registry)
    assert registry.claimable() == {b}
    assert registry.served() == {a, b}


def test_what_a_model_took_counts_and_not_what_its_files_promised(machine):
    a, b = machine.write("a", "a", weight=1), machine.write("b", "b", weight=1)
    registry = machine.registry("a", "b", budget=SIZE + 1)
    registry.load_default()
    registry.want(b)
    turn_until_quiet(registry)
    assert registry.claimable() == {a, b}, "its files promised one byte"
    machine.now += STAY_SECONDS
    turn_until_quiet(registry)
    assert registry.claimable() == {b}, "it took a hundred"
    registry.want(a)
    turn_until_quiet(registry)
    assert registry.claimable() == {a}, "which is known now: the other one makes room"


def test_a_model_that_nobody_uses_is_unloaded_after_its_time_unless_it_is_the_first(
    registry, machine, abc
):
    a, b, _ = abc
    registry.want(b)
    turn_until_quiet(registry)
    machine.now += IDLE_SECONDS - 1
    turn_until_quiet(registry)
    with registry.using(b):
        machine.now += IDLE_SECONDS + 1
        turn_until_quiet(registry)
        assert registry.claimable() == {a, b}
    machine.now += IDLE_SECONDS + 1
    turn_until_quiet(registry)
    assert registry.claimable() == {a}


def test_the_memory_guard_gets_what_has_no_rows_but_never_the_last(registry, machine, abc):
    a, b, _ = abc
    assert not registry.relieve()
    registry.want(b)
    turn_until_quiet(registry)
    with registry.using(a), registry.using(b):
        assert not registry.relieve()
    with registry.using(b):
        assert registry.relieve()
    assert registry.claimable() == {b}
    assert not registry.relieve()


def test_a_broken_first_model_is_an_error_and_another_one_is_not_served(machine, abc, caplog):
    a, b, c = abc
    (machine.root / "b" / "manifest.json").write_text("{")
    registry = machine.registry("a", "b", "c")
    registry.load_default()
    assert registry.served() == {a, c}
    registry.refresh()
    assert caplog.text.count("model not served") == 1, "it is said once"
    assert not registry.want(b)

    with pytest.raises(BundleError, match="b"):
        machine.registry("b", "a").load_default()
    machine.broken.add("a")
    with pytest.raises(BundleError, match="UNet"):
        machine.registry("a", "b").load_default()


def test_a_model_that_cannot_be_loaded_is_not_served_until_it_is_replaced_or_its_time_comes(
    registry, machine, abc, caplog
):
    a, b, c = abc
    machine.broken.add("b")
    failed = metric("model_loads_total", outcome="failed")
    registry.want(b)
    turn_until_quiet(registry)
    assert registry.served() == {a, c}
    assert not registry.want(b)
    assert metric("model_loads_total", outcome="failed") == failed + 1
    assert "its UNet cannot be read" in caplog.text
    registry.refresh()
    assert registry.served() == {a, c}, "nothing has changed"

    machine.now += RETRY_SECONDS
    assert registry.want(b)
    turn_until_quiet(registry)
    assert not registry.want(b), "it is as broken as before"

    machine.broken.clear()
    repaired = machine.write("b", "d")
    registry.refresh()
    assert registry.want(repaired)
    turn_until_quiet(registry)
    assert registry.claimable() == {a, repaired}
    assert registry.served() == {a, c, repaired}


def test_a_library_that_fails_on_a_model_stops_nothing_else(registry, machine, abc):
    a, b, c = abc

    def explode():
        raise RuntimeError("bad alloc")

    machine.during = explode
    registry.want(b)
    turn_until_quiet(registry)
    machine.during = lambda: None
    registry.want(c)
    turn_until_quiet(registry)
    assert registry.claimable() == {a, c}


def test_a_replaced_bundle_is_served_in_both_revisions_while_the_old_one_is_in_memory(
    registry, machine, abc
):
    a, b, c = abc
    new = machine.write("a", "e")
    assert registry.served() == {a, b, c}, "the manifest is read again at the next look"
    registry.refresh()
    assert registry.served() == {a, new, b, c}
    registry.want(new)
    turn_until_quiet(registry)
    assert registry.claimable() == {a, new}
    with registry.using(new):
        machine.now += IDLE_SECONDS + 1
        turn_until_quiet(registry)
    assert registry.served() == {new, b, c}, "once unloaded, the old one cannot come back"
    assert not registry.want(a)


def test_what_is_replaced_while_it_is_loaded_is_not_taken_for_what_it_was(registry, machine, abc):
    a, b, _ = abc
    new: list[str] = []
    machine.during = lambda: new.append(machine.write("b", "e")) if not new else None
    registry.want(b)
    turn_until_quiet(registry)
    assert registry.claimable() == {a}
    registry.refresh()
    registry.want(new[0])
    turn_until_quiet(registry)
    assert registry.claimable() == {a, new[0]}


def test_two_names_of_one_revision_are_one_model(machine):
    a, same = machine.write("a", "a"), machine.write("b", "a")
    registry = machine.registry("a", "b")
    registry.load_default()
    registry.want(same)
    turn_until_quiet(registry)
    assert machine.loads == ["a"]
    assert registry.served() == {a}


def test_a_model_that_memory_has_no_room_for_is_refused_before_it_is_loaded(machine):
    first, _ = machine.write("a", "a"), machine.write("b", "b", weight=2 * SIZE)
    registry = machine.registry("a", "b", budget=10 * SIZE, free=2 * SIZE)
    registry.load_default()
    registry.want("b" * 64)
    turn_until_quiet(registry)
    assert (machine.loads, registry.claimable()) == (["a"], {first})
    assert "b" * 64 not in registry.served(), "another worker may have room"
    # A file of holes.
    os.truncate(machine.root / "a" / "unet" / "openvino_model.bin", 2**30)
    alone = machine.registry("a", free=2**29)
    with pytest.raises(
        BundleError, match=r"has 1\.0 GiB of weights, and 0\.5 GiB of memory are free"
    ):
        alone.load_default()
    assert machine.loads == ["a"]
