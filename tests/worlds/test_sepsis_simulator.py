"""The sepsis simulator: exact values are what its logs earn, and real logs move as it does."""

import numpy as np
import polars as pl
import pytest

from doworld.worlds.sepsis_simulator import SIGNS, SepsisSimulator

LEVELS = (3, 3, 2, 5)


def test_the_exact_value_is_the_mean_of_logs():
    world = SepsisSimulator()
    policy = world.best(sees_diabetes=True)
    log = world.collect(1500, policy, seed=1)
    earned = np.array([np.nansum(e.column("reward")) for e in log])
    error = earned.std() / np.sqrt(len(earned))
    assert abs(earned.mean() - world.value(policy)) < 4 * error
    assert "diabetic" not in log.schema.names


def test_rows_end_where_a_patient_dies_or_leaves():
    log = SepsisSimulator().collect(200, SepsisSimulator().uniform(), seed=2)
    for episode in log:
        rewards = episode.column("reward")
        assert np.isnan(rewards[-1])
        assert (rewards[:-2] == 0).all()
        assert episode.terminated == (rewards[-2] != 0)
    assert np.diff(log.starts).max() == 21


def test_seeing_more_earns_more():
    world = SepsisSimulator()
    sees, blind = (world.value(world.best(sees_diabetes=s, random=0.0)) for s in (True, False))
    assert sees > blind > world.value(world.uniform())


def test_the_logged_file_moves_as_the_simulator(shared_data):
    """Signs that diabetes does not touch: chances of every move within sampling error."""
    table = pl.read_csv(shared_data("sepsis-logs/log.csv.gz"))
    world = SepsisSimulator()
    for sign, lever, going, place in (
        ("hr", "do_antibiotic", "antibiotic", 0),
        ("percoxyg", "do_ventilation", "vent", 2),
    ):
        worst = 0.0
        for (was, done), part in table.group_by(going, lever):
            state = np.zeros(7, int)
            state[4 + ("antibiotic", "vaso", "vent").index(going)] = was
            action = done * (4 if lever == "do_antibiotic" else 1)
            truth = world.matrices(0, state, action)[place]
            for level in range(LEVELS[SIGNS.index(sign)]):
                moved = part.filter(pl.col(sign) == level)[f"next_{sign}"].to_numpy()
                for after, chance in enumerate(truth[level]):
                    error = np.sqrt(max(chance * (1 - chance), 1e-12) / max(len(moved), 1))
                    worst = max(worst, abs((moved == after).mean() - chance) / max(error, 1e-4))
        assert worst < 4
    first = table.filter(pl.col("t") == 0)["glucose"].to_numpy()
    start = np.bincount(world.states[:, 3], world.start().sum(0))
    assert np.bincount(first, minlength=5) / len(first) == pytest.approx(start, abs=0.03)
