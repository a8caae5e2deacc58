import numpy as np
import pytest

import worlds_by_hand as by_hand


@pytest.fixture(scope="session")
def heater():
    return by_hand.heater(members=(1.0, 1.02, 0.98))


@pytest.fixture(scope="session")
def table():
    return by_hand.contemporaneous()


@pytest.fixture(scope="session")
def machine():
    return by_hand.machine()


@pytest.fixture(scope="session")
def episode():
    """Twelve rows of the heater under varied heating."""
    rng = np.random.default_rng(0)
    T, D, Q = [1.0], [0.0], rng.normal(size=12).round(3).tolist()
    for t in range(11):
        T.append(0.8 * T[-1] + 0.5 * Q[t] + 0.2 * 0.5 + 0.1 * rng.normal())
        D.append(0.5 * D[-1] + T[-2] + 0.1 * rng.normal())
    return {"T": T, "D": D, "Q": [*Q[:11], None], "W": [0.5] * 12}
