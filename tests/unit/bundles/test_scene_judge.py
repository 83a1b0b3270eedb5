"""The judge of scenes: what it must tell apart, and what it is kept in."""

import json
import logging

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import nn

from core.errors import BundleError
from modelkit.evaluation.scenes import EACH, SceneJudge, open_judge, prompts_of, shown_subjects
from modelkit.training.device import Device
from starter.scenes.classifier import SceneClassifier, load_classifier, save_classifier
from starter.scenes.pictures import draw_scenes, to_tensor
from starter.scenes.subjects import split_subjects
from starter.scenes.train import Trainer

COUNT = 32


@pytest.fixture(scope="module")
def subjects():
    return shown_subjects(COUNT)


@pytest.fixture(scope="module")
def fresh(subjects):
    """True pictures that the judge has not drawn itself."""
    return draw_scenes(subjects, COUNT, 7).pixels


@pytest.fixture(scope="module")
def classifier(fresh) -> SceneClassifier:
    """An untrained one: its features are random, and differences are in them all the same."""
    torch.manual_seed(0)
    network = SceneClassifier().train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            # All that it keeps is of the last batch.
            module.momentum = 1.0
    with torch.no_grad():
        network(to_tensor(fresh))
    return network.eval()


@pytest.fixture(scope="module")
def judge(classifier, subjects) -> SceneJudge:
    return SceneJudge(classifier, subjects)


def test_held_out_subjects_are_asked_for_several_times(subjects):
    shown, held_out = split_subjects()
    assert not set(subjects) & set(shown)
    assert subjects[0] == subjects[EACH - 1] == held_out[0]
    assert len(set(subjects)) == COUNT // EACH
    assert len(shown_subjects(1)) == 2 * EACH
    assert len(shown_subjects(9)) == 3 * EACH
    assert prompts_of(subjects)[0].startswith(("a ", "an "))


def test_true_pictures_are_as_true_ones_are(judge, fresh):
    scores = judge.judge(fresh).scores
    assert scores["mmd"] < 2 * scores["mmd_floor"]
    assert scores["sharpness"] == pytest.approx(1, abs=0.25)
    assert scores["diversity"] == pytest.approx(1, abs=0.2)


def test_blurred_pictures_are_found_out(judge, fresh):
    blurred = np.stack(
        [np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(1.5))) for one in fresh]
    )
    judged, true = judge.judge(blurred), judge.judge(fresh)
    assert judged.scores["sharpness"] < true.scores["sharpness"] - 5 * judged.errors["sharpness"]


def test_pictures_without_colour_are_found_out(judge, fresh):
    grey = fresh.mean(axis=3, keepdims=True).repeat(3, axis=3).astype(np.uint8)
    judged, true = judge.judge(grey), judge.judge(fresh)
    assert judged.scores["mmd"] > 3 * max(judged.scores["mmd_floor"], true.scores["mmd"])


def test_averaged_pictures_are_found_out(judge, fresh):
    groups = fresh.reshape(-1, EACH, *fresh.shape[1:]).astype(float)
    averaged = ((groups + np.roll(groups, 1, axis=1)) / 2).reshape(fresh.shape).astype(np.uint8)
    judged, true = judge.judge(averaged), judge.judge(fresh)
    assert judged.scores["mmd"] > judged.scores["mmd_floor"]
    assert judged.scores["diversity"] < true.scores["diversity"] - 3 * judged.errors["diversity"]
    assert judged.scores["sharpness"] < 0.9


def test_a_collapse_onto_one_picture_is_found_out(judge, fresh):
    one_each = np.repeat(fresh[::EACH], EACH, axis=0)
    assert judge.judge(one_each).scores["diversity"] == pytest.approx(0)


def test_right_answers_are_counted(judge, classifier, subjects, fresh):
    seen, _ = classifier.look(fresh)
    right = seen == np.array([subject.labels() for subject in subjects])
    judged = judge.judge(fresh)
    assert list(judged.accuracy.values()) == pytest.approx(right.mean(axis=0).tolist())
    assert judged.right == tuple(right.all(axis=1))


def test_larger_pictures_are_judged_as_if_they_were_true_ones_size(judge, fresh):
    larger = fresh.repeat(2, axis=1).repeat(2, axis=2)
    judged = judge.judge(larger)
    wanted = judge.judge(fresh).scores["diversity"]
    assert judged.scores["diversity"] == pytest.approx(wanted, rel=0.01)


def test_too_few_pictures_are_refused(classifier, subjects):
    with pytest.raises(ValueError, match="two pictures of each of two subjects"):
        SceneJudge(classifier, subjects[: EACH + 1])


def test_a_judge_is_read_as_it_was_written(classifier, fresh, tmp_path):
    save_classifier(classifier, tmp_path / "judge")
    assert (tmp_path / "judge" / "model.safetensors").stat().st_size < 4e6
    read = open_judge(tmp_path)
    assert read is not None
    # Weights are stored in halves.
    _, features = read.look(fresh)
    assert features == pytest.approx(classifier.look(fresh)[1], abs=0.1)
    assert open_judge(tmp_path / "judge") is None


def test_a_judge_of_other_classes_or_none_is_refused(classifier, tmp_path):
    save_classifier(classifier, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["labels"]["kind"].pop()
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BundleError, match="judges other classes than this version knows"):
        load_classifier(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BundleError, match="holds no judge that can be read"):
        load_classifier(tmp_path)


def test_the_stage_leaves_a_judge_and_goes_on_from_its_checkpoint(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    checkpoint = tmp_path / "classifier.pt"
    trainer = Trainer(
        tmp_path, Device(name="cpu", mixed=False), minutes=0.001, resume=True, pictures=32
    )
    trainer.run("classifier")
    first = torch.load(checkpoint, weights_only=True)
    trainer.minutes = (first["spent"] + 0.01) / 60
    trainer.run("classifier")
    second = torch.load(checkpoint, weights_only=True)
    assert second["step"] > first["step"] > 0
    assert second["spent"] > first["spent"]
    assert caplog.text.count("classifier done, held-out") == 2
    assert open_judge(tmp_path) is not None
