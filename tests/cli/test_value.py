"""``doworld value``: policies as files and values, from a bare log; mistakes are one line."""

import json

import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    rng = np.random.default_rng(0)
    old = rng.integers(0, 2, 800)
    offer = rng.integers(0, 2, 800)
    bought = (rng.uniform(size=800) < 0.2 + 0.3 * offer + 0.1 * old).astype(float)
    path = tmp_path_factory.mktemp("value") / "visits.csv"
    frame = pl.DataFrame(
        {"old": old, "offer": np.where(offer == 1, "yes", "no"), "bought": bought, "p": 0.5}
    )
    frame.write_csv(path)
    return path


COLUMNS = ("--state", "old", "--action", "offer", "--reward", "bought", "--propensity", "p")


def test_a_value_and_a_file_say_the_same(command, visits, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text('otherwise: "yes"\n')
    found = []
    for typed in ("offer=yes", f"offer={file}"):
        printed = command("value", str(visits), *COLUMNS, "--policy", typed, "--json")
        assert printed.code == 0, printed.err
        found.append(json.loads(printed.out))
    assert found[0]["series"] == found[1]["series"]
    assert found[0]["series"][0]["estimate"][0] == pytest.approx(0.55, abs=0.08)


def test_what_was_seen_may_be_called_context(command, visits):
    """The README's command: a table of decisions has contexts and no state."""
    found = []
    for role in ("--state", "--context"):
        asked = ("value", str(visits), role, *COLUMNS[1:], "--policy", "offer=yes", "--json")
        printed = command(*asked)
        assert printed.code == 0, printed.err
        found.append(json.loads(printed.out)["series"])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("offer", "NAME=FILE"),
        ("offer=maybe", "maybe"),
        ("price=1", "price"),
        ("offer=missing.yaml", "missing.yaml"),
    ],
)
def test_mistakes_are_one_line(command, visits, typed, message):
    printed = command("value", str(visits), *COLUMNS, "--policy", typed)
    assert printed.code != 0
    assert message in printed.err
    assert "Traceback" not in printed.err
