"""An interrupted call that is repeated goes on where it was and ends where it would have."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from model_worlds import WEATHER_GRAPH, XUY_GRAPH, linear_log, weather_log

from doworld._core.progress import Quiet
from doworld.model.learn import Settings, _fingerprint, fit
from doworld.model.neural_fit import NeuralSettings
from doworld.model.training import Budget, Checkpoint

QUICK = Settings(
    members=2,
    structures=0,
    neural=NeuralSettings(hidden=4, horizon=4, stages=((0.5, 16, 20), (1.0, 8, 20))),
    budget=Budget(steps=80, chunk=20, patience=2),
)
CHUNKS = {"neural": 6, "categorical": 4}


class Watch:
    """Progress that counts, and presses Ctrl-C after some steps of one task."""

    def __init__(self, name: str, stop_after: float = np.inf) -> None:
        self.name, self.stop_after = name, stop_after
        self.steps: list[float] = []

    def task(self, name, total):
        if self.name not in name:
            return Quiet().task(name, total)
        watch = self

        class Own:
            def advance(self, steps: float = 1, note: str = "") -> None:
                watch.steps.append(steps)
                if len(watch.steps) == watch.stop_after:
                    raise KeyboardInterrupt

        return Own()


def worlds():
    return {
        "neural": ("neural", linear_log((30,) * 40), XUY_GRAPH),
        "categorical": ("categorical", weather_log(300), WEATHER_GRAPH),
    }


@pytest.fixture(scope="module", params=["neural", "categorical"])
def whole(request):
    """A world, and the model that an uninterrupted call learns."""
    name, log, graph = worlds()[request.param]
    return name, log, graph, fit(log, graph, settings=QUICK)


def same(one, two) -> bool:
    pairs = zip(jax.tree.leaves(one.dynamics), jax.tree.leaves(two.dynamics), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def interrupt(whole, folder, after=2):
    name, log, graph, _ = whole
    watch = Watch(name, after)
    with pytest.raises(KeyboardInterrupt):
        fit(log, graph, settings=QUICK, progress=watch, checkpoint=folder)
    assert len(watch.steps) == after


def resume(whole, folder, **change):
    name, log, graph, _ = whole
    watch = Watch(name)
    asked = {"log": log, "graph": graph, "settings": QUICK, "seed": 0} | change
    model = fit(
        asked["log"],
        asked["graph"],
        settings=asked["settings"],
        seed=asked["seed"],
        progress=watch,
        checkpoint=folder,
    )
    return model, watch.steps


def test_interrupted_then_resumed_is_the_uninterrupted_result(whole, tmp_path):
    interrupt(whole, tmp_path)
    model, steps = resume(whole, tmp_path)
    assert steps[0] == 2  # the finished chunks are reported at once, not repeated
    assert sum(steps) == CHUNKS[whole[0]]
    assert same(model, whole[3])
    # a call that was finished repeats nothing
    model, steps = resume(whole, tmp_path)
    assert CHUNKS[whole[0]] in (steps[0], sum(steps))
    assert len([s for s in steps if s]) <= 2
    assert same(model, whole[3])


def test_checkpoints_of_other_calls_are_ignored(whole, tmp_path):
    interrupt(whole, tmp_path)
    _, log, _, _ = whole
    changed = replace(log, values=log.values.copy())
    changed.values[5, 0] = changed.values[6, 0]
    _, steps = resume(whole, tmp_path, log=changed)
    assert steps[0] == 1


def test_every_part_of_a_call_is_part_of_its_fingerprint():
    log = linear_log((30,) * 4)
    merged = replace(
        log,
        starts=log.starts[[0, 2, 4]],
        environment=log.environment[:2],
        terminated=log.terminated[:2],
        truncated=log.truncated[:2],
        labels=log.labels[:2],
    )
    longer = replace(XUY_GRAPH, max_lag=2)
    asked = [
        (log, XUY_GRAPH, QUICK, 0),
        (merged, XUY_GRAPH, QUICK, 0),
        (log, longer, QUICK, 0),
        (log, XUY_GRAPH, replace(QUICK, members=3), 0),
        (log, XUY_GRAPH, QUICK, 1),
    ]
    assert len({_fingerprint(*own) for own in asked}) == len(asked)


def test_a_corrupted_checkpoint_is_ignored(whole, tmp_path):
    interrupt(whole, tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-40])
    model, steps = resume(whole, tmp_path)
    assert steps[0] == 1
    assert same(model, whole[3])


@pytest.mark.parametrize("content", [b"", b"x" * 500, b"\x00" * 8, b"\xff" * 64])
def test_garbage_is_no_checkpoint(content, tmp_path):
    (tmp_path / "s.safetensors").write_bytes(content)
    assert Checkpoint(tmp_path, "f").load("s", {"a": np.zeros(3)}) is None


def test_checkpoint_of_another_shape_is_ignored(tmp_path):
    box = Checkpoint(tmp_path, "f")
    box.save("s", {"a": np.zeros(3)}, 4)
    stored = box.load("s", {"a": np.zeros(3)})
    assert stored is not None
    assert stored[1] == 4
    assert box.load("s", {"a": np.zeros(4)}) is None
    assert box.load("s", {"a": np.zeros(3), "b": np.zeros(1)}) is None
    assert Checkpoint(tmp_path, "g").load("s", {"a": np.zeros(3)}) is None
    assert Checkpoint(None, "f").load("s", {"a": np.zeros(3)}) is None


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Checkpoint(None, "f").save("s", {"a": np.zeros(3)}, 1)
    assert list(tmp_path.iterdir()) == []
