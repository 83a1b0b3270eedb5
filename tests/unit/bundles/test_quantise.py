"""Post-training INT8, on the microscopic model."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from safetensors.numpy import load_file, save_file

from bundles.manifest import Defaults, Quantisation
from core.errors import BundleError
from modelkit.export.source import PROFILE, Build, read_profile
from modelkit.export.unet import convert_unet
from modelkit.progress import Silent
from modelkit.quantise import quantise_unet
from modelkit.quantise.recipe import QuantisationRecipe, quantise
from modelkit.quantise.search import SILENT_DB, Notes, ScanLimits, Yardstick
from modelkit.quantise.trajectories import record
from modelkit.quantise.units import find_units, in_floating_point
from tests.int8 import exact_int8

PLAIN = QuantisationRecipe(smooth_quant_alpha=None, bias_correction="none")
SMOOTH = QuantisationRecipe(smooth_quant_alpha=0.5, bias_correction="fast")
STEPS = 4


class Listening(Silent):
    """Remembers stages, their totals, and how far each came."""

    def __init__(self):
        self.stages: dict[str, list] = {}

    def stage(self, name, total):
        self.stages[name] = [total, 0]
        self.current = name

    def advance(self, n=1):
        self.stages[self.current][1] += n


@pytest.fixture(scope="module")
def source(microscopic, tmp_path_factory):
    """The microscopic model, with guidance so that a call has two rows."""
    folder = shutil.copytree(microscopic, tmp_path_factory.mktemp("source") / "microscopic")
    profile = read_profile(folder)
    defaults = profile.defaults.model_copy(update={"guidance_scale": 3.0, "steps": STEPS})
    (folder / PROFILE).write_text(profile.model_copy(update={"defaults": defaults})
                                  .model_dump_json())  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def unet(source):
    return convert_unet(source / "unet")


@pytest.fixture(scope="module")
def calls(source, unet, tmp_path_factory):
    trajectories = record(
        unet,
        source,
        ["a mug", "a lamp"],
        defaults=read_profile(source).defaults,
        calls_each=STEPS,
        workdir=tmp_path_factory.mktemp("work"),
        say=Silent(),
    )
    return [call for trajectory in trajectories for call in trajectory.calls]


@pytest.fixture(scope="module")
def said():
    """What quantising told of its progress."""
    return Listening()


@pytest.fixture(scope="module")
def quantised(unet, calls, said):
    said.stage("quantise", SMOOTH.runs(len(calls)))
    return quantise(unet, SMOOTH, calls, say=said)


@pytest.fixture(scope="module")
def loose(unet, calls):
    """Weights in floating point behind quantisers."""
    return quantise(unet, PLAIN, calls, say=Silent(), compress=False)


@pytest.fixture(scope="module")
def units(loose, calls):
    return find_units(loose, {name: value.shape for name, value in calls[0].items()})


def draw(source, unet, workdir, prompts, say=None, calls_each=STEPS):
    defaults = read_profile(source).defaults
    return record(
        unet, source, prompts,
        defaults=defaults, calls_each=calls_each, workdir=workdir, say=say or Silent(),
    )  # fmt: skip


def predict(model, call):
    return ov.Core().compile_model(model, "CPU", exact_int8())(call)[0]


def test_a_call_has_the_rows_without_and_with_the_prompt(calls):
    assert len(calls) == 2 * STEPS
    call = calls[0]
    assert call["sample"].shape == (2, 4, 4, 4)
    assert np.array_equal(call["sample"][0], call["sample"][1])
    assert call["timestep"].shape == (2,)
    assert not np.array_equal(*call["encoder_hidden_states"])


def test_a_picture_s_calls_go_down_the_whole_schedule(calls):
    timesteps = [call["timestep"][0] for call in calls[:STEPS]]
    assert timesteps == sorted(timesteps, reverse=True)
    assert timesteps[0] > 700
    assert timesteps[-1] < 300


class Trap:
    """Leaves a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.fixture
def trapped(source, tmp_path):
    """The source with its text encoder in halves only, beside a pickle that must not be read."""
    folder = shutil.copytree(source, tmp_path / "halves")
    encoder = folder / "text_encoder"
    whole = load_file(encoder / "model.safetensors")
    halves = {name: value.astype(np.float16) for name, value in whole.items()}
    save_file(halves, encoder / "model.fp16.safetensors", metadata={"format": "pt"})
    (encoder / "model.safetensors").unlink()
    (encoder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    yield folder
    assert not (tmp_path / "sprung").exists()


def test_a_text_encoder_in_halves_calibrates_and_no_pickle_is_read(trapped, unet, calls, tmp_path):
    (trajectory,) = draw(trapped, unet, tmp_path / "work", ["a mug"], calls_each=1)
    states, expected = (
        one["encoder_hidden_states"].astype(np.float32) for one in (trajectory.calls[0], calls[0])
    )
    np.testing.assert_allclose(states, expected, rtol=1e-2, atol=1e-2)


def test_a_text_encoder_that_is_only_a_pickle_is_refused(trapped, unet, tmp_path):
    (trapped / "text_encoder" / "model.fp16.safetensors").unlink()
    with pytest.raises(BundleError, match=r"pytorch_model\.bin, a pickle.*safetensors only"):
        draw(trapped, unet, tmp_path / "work", ["a mug"], calls_each=1)


def test_few_calls_of_each_picture_cover_all_steps_together(source, unet, tmp_path):
    trajectories = draw(source, unet, tmp_path, ["a mug"] * 12, calls_each=1)
    assert [len(trajectory.calls) for trajectory in trajectories] == [1] * 12
    assert len({float(t.calls[0]["timestep"][0]) for t in trajectories}) == STEPS


def test_the_inputs_are_those_that_diffusers_own_pipeline_makes(source, calls):
    import diffusers
    import torch

    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(source, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config)
    seen = []
    forward = pipeline.unet.forward
    pipeline.unet.forward = lambda *args, **kwargs: seen.append(args) or forward(*args, **kwargs)
    pipeline(
        "a lamp", num_inference_steps=STEPS, guidance_scale=3.0, width=32, height=32,
        generator=torch.Generator().manual_seed(1), output_type="latent",
    )  # fmt: skip
    for (sample, timestep), call in zip(seen, calls[STEPS:], strict=True):
        assert np.allclose(sample.numpy(), call["sample"], atol=1e-3)
        assert float(timestep) == call["timestep"][0]


def test_the_last_latents_are_those_that_diffusers_own_pipeline_leaves(source, unet, tmp_path):
    import diffusers
    import torch

    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(source, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config)
    (theirs,) = pipeline(
        "a mug", num_inference_steps=STEPS, guidance_scale=3.0, width=32, height=32,
        generator=torch.Generator().manual_seed(0), output_type="latent",
    )[:1]  # fmt: skip
    for _ in ("drawn", "read again"):
        (ours,) = draw(source, unet, tmp_path, ["a mug"])
        assert ours.latents.shape == (1, 4, 4, 4)
        assert np.allclose(theirs.numpy(), ours.latents, atol=1e-3)


def test_an_interrupted_recording_goes_on_where_it_was(source, unet, tmp_path):
    class Interrupting(Silent):
        left = STEPS + 1

        def advance(self, n=1):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    prompts = ["a mug", "a lamp", "a chair"]
    with pytest.raises(KeyboardInterrupt):
        draw(source, unet, tmp_path, prompts, Interrupting())
    (part,) = tmp_path.glob("0000-*.safetensors")
    listening = Listening()
    resumed = draw(source, unet, tmp_path, prompts, listening)
    assert listening.stages == {"draw pictures to calibrate on": [2 * STEPS, 2 * STEPS]}
    whole = draw(source, unet, tmp_path / "other", prompts)
    for one, other in zip(resumed, whole, strict=True):
        for a, b in zip(one.calls, other.calls, strict=True):
            assert all(np.array_equal(a[name], b[name]) for name in b)
    part.write_bytes(part.read_bytes()[:100])
    again = Listening()
    draw(source, unet, tmp_path, prompts, again)
    assert again.stages == {"draw pictures to calibrate on": [STEPS, STEPS]}


def test_other_settings_are_not_taken_for_an_earlier_recording(source, unet, tmp_path):
    draw(source, unet, tmp_path, ["a mug"])
    listening = Listening()
    record(
        unet, source, ["a mug"], defaults=Defaults(steps=2, width=32, height=32, scheduler="ddim"),
        calls_each=STEPS, workdir=tmp_path, say=listening,
    )  # fmt: skip
    assert listening.stages == {"draw pictures to calibrate on": [2, 2]}


def test_a_source_without_a_text_encoder_is_refused(unet, source, tmp_path):
    incomplete = shutil.copytree(
        source, tmp_path / "source", ignore=shutil.ignore_patterns("text_encoder")
    )
    with pytest.raises(BundleError, match="text_encoder has no weights"):
        draw(incomplete, unet, tmp_path / "work", ["a mug"])


def test_weights_become_int8_and_the_original_stays(source, unet, quantised, calls):
    types = [str(op.get_element_type()) for op in quantised.get_ops()
             if op.get_type_name() == "Constant"]  # fmt: skip
    assert types.count("<Type: 'int8_t'>") > 30
    original, seen = predict(convert_unet(source / "unet"), calls[0]), predict(quantised, calls[0])
    assert np.array_equal(predict(unet, calls[0]), original)
    assert not np.array_equal(seen, original)
    assert np.allclose(seen, original, atol=0.2)


def test_progress_counts_the_calls_that_are_run(quantised, said, calls):
    assert said.stages["quantise"] == [2 * len(calls), 2 * len(calls)]


def test_a_row_is_the_same_alone_and_in_company(quantised, calls):
    rows = {name: np.concatenate([calls[0][name], calls[5][name]]) for name in calls[0]}
    together = predict(quantised, rows)
    for row in range(4):
        alone = predict(quantised, {name: value[row : row + 1] for name, value in rows.items()})
        assert np.allclose(together[row], alone[0], atol=1e-5)


def test_kept_layers_stay_in_floating_point(unet, calls, units):
    kept = replace(PLAIN, kept=units[0].layers + units[-1].layers)
    model = quantise(unet, kept, calls, say=Silent(), compress=False)
    layers = {op.get_friendly_name(): op for op in model.get_ops()}
    for name in kept.kept:
        inputs = [layers[name].input_value(port).get_node() for port in (0, 1)]
        assert "FakeQuantize" not in {node.get_type_name() for node in inputs}


def test_all_units_together_are_the_whole_quantisation(unet, loose, units, calls):
    names = [layer for unit in units for layer in unit.layers]
    assert len(names) == len(set(names)) > 30
    assert all(unit.work > 0 for unit in units)
    before = predict(loose, calls[0])
    with in_floating_point(loose, units):
        assert np.allclose(predict(loose, calls[0]), predict(unet, calls[0]), atol=1e-5)
    assert np.array_equal(predict(loose, calls[0]), before)


def test_queries_keys_and_values_leave_together(units):
    (unit,) = [u for u in units if any("down_blocks.0" in layer and "attn1.to_q" in layer
                                       for layer in u.layers)]  # fmt: skip
    assert [layer.split("/")[0].split(".")[-1] for layer in unit.layers] == ["to_q", "to_k", "to_v"]
    # 2 rows × 16 tokens × 8 channels in × 8 out, three times.
    assert unit.work == 3 * 2 * 16 * 8 * 8


def test_the_noise_of_a_known_error_is_measured(unet, calls):
    yardstick = Yardstick(unet, calls, guidance_scale=3.0, say=Silent())
    assert yardstick.measure(unet, Silent()) == SILENT_DB
    louder = unet.clone()
    result = louder.get_results()[0]
    output = result.input_value(0)
    scaled = ov.opset13.multiply(output, np.float32(1.1))
    result.input(0).replace_source_output(scaled.output(0))
    # A tenth of the signal is 20 dB below it, whatever the guidance.
    assert yardstick.measure(louder, Silent()) == pytest.approx(20, abs=0.01)


def test_a_unet_is_quantised_by_the_recipe_that_measures_best(source, unet, tmp_path):
    say = Listening()
    model, quantisation = quantise_unet(
        unet, source, workdir=tmp_path, say=say, pictures=3, calls_each=STEPS,
        recipes=(PLAIN, SMOOTH), limits=ScanLimits(wanted_db=60, most_work=0.9, measurements=6),
    )  # fmt: skip
    notes = json.loads((tmp_path / "measurements.json").read_text())
    better = max((PLAIN, SMOOTH), key=lambda recipe: notes[recipe.describe()])
    assert quantisation.method == "ptq"
    assert quantisation.smooth_quant_alpha == better.smooth_quant_alpha
    assert quantisation.bias_correction == better.bias_correction
    assert quantisation.samples == 3 * STEPS
    assert quantisation.kept
    kept = {op.get_friendly_name() for op in model.get_ops()} & set(quantisation.kept)
    assert kept == set(quantisation.kept)
    assert all(total is None or done <= total for total, done in say.stages.values())
    assert say.stages["draw pictures to calibrate on"] == [7 * STEPS, 7 * STEPS]


def test_what_was_found_before_is_not_searched_for_again(source, unet, units, tmp_path):
    known = Quantisation(
        smooth_quant_alpha=0.5, bias_correction="fast", samples=2 * STEPS, kept=units[0].layers
    )
    folder = shutil.copytree(source, tmp_path / "known")
    profile = read_profile(folder).model_copy(update={"build": Build(quantisation=known)})
    (folder / PROFILE).write_text(profile.model_dump_json())
    say = Listening()
    _, quantisation = quantise_unet(
        unet, folder, workdir=tmp_path / "work", say=say, calls_each=STEPS
    )
    assert quantisation == known
    assert list(say.stages) == ["draw pictures to calibrate on", "quantise"]
    assert say.stages["draw pictures to calibrate on"] == [2 * STEPS, 2 * STEPS]


def test_nothing_is_measured_twice(tmp_path):
    notes = Notes(tmp_path / "figures.json")
    assert notes.get("one", lambda: 1.5) == 1.5
    assert notes.get("one", lambda: pytest.fail("measured again")) == 1.5
    assert Notes(tmp_path / "figures.json").get("one", lambda: pytest.fail("again")) == 1.5


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"one": "many"}'])
def test_a_damaged_file_of_figures_counts_as_none(tmp_path, content):
    (tmp_path / "figures.json").write_text(content)
    assert Notes(tmp_path / "figures.json").get("one", lambda: 2.0) == 2.0
