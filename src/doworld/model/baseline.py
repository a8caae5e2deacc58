"""The linear baseline that every model carries: ridge regression on the same lags and inputs."""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from doworld.data import Kind, Role, Trajectories
from doworld.data.gaps import carried
from doworld.mechanisms import Coding
from doworld.model.design import encoded

__all__ = ["LinearBaseline"]

MOST = 1e3
"""Rollouts stop growing here, in standard deviations: an unstable fit loses without overflowing."""


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """ARX with ridge: x_t = b + Σ_k W_kᵀ φ(row_{t−k}), k = 1…L, on standardised features φ.

    φ holds numbers as they are and one column a level of a category; a category's prediction is its
    largest column, a binary one's the nearer of 0 and 1. All fields are arrays. ``learn`` stores
    ``LinearBaseline.fit(log, max_lag)`` in the model, so that ``evaluate`` can show what a linear
    model would have reached on the same windows.

    Attributes:
        variable: the variable that each feature reads.
        level: the category level that the feature marks; −1 where the feature is the number.
        binary: whether that number is 0 or 1.
        outputs: the features that are predicted, those of all state variables.
        center, scale: standardised feature = (feature − center)/scale.
        weight: by lag (entry 0 is the row itself, exogenous features only), feature and output.
        bias: of each output.
    """

    variable: Int[np.ndarray, " features"]
    level: Int[np.ndarray, " features"]
    binary: Bool[np.ndarray, " features"]
    outputs: Int[np.ndarray, " outputs"]
    center: Float[np.ndarray, " features"]
    scale: Float[np.ndarray, " features"]
    weight: Float[np.ndarray, "lags_and_now features outputs"]
    bias: Float[np.ndarray, " outputs"]

    @property
    def lags(self) -> int:
        """L, how many rows it looks back."""
        return len(self.weight) - 1

    @classmethod
    def fit(
        cls, log: Trajectories, lags: int, *, ridge: float = 1.0, now: bool = False
    ) -> "LinearBaseline":
        """Ridge regression of every state variable on ``lags`` earlier rows of all but the rewards.

        ``now`` adds the actions and contexts of the predicted row itself; a static table always
        has them, and nothing else. ``ridge`` is the penalty on standardised features.
        """
        schema = log.schema
        coding = Coding.of(schema)
        variable, level = np.asarray(coding.variable), np.asarray(coding.level)
        binary = np.array([schema.variables[i].kind is Kind.BINARY for i in variable], bool)
        exogenous = np.isin(variable, schema.positions(Role.ACTION, Role.CONTEXT))
        outputs = np.flatnonzero(np.isin(variable, schema.positions(Role.STATE)))
        raw = encoded(carried(log.aligned, log.starts), variable, level)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column that is never logged
            center, spread = np.nan_to_num(np.nanmean(raw, 0)), np.nan_to_num(np.nanstd(raw, 0))
        scale = np.where(spread > 1e-9 * np.maximum(np.abs(center), 1e-30), spread, 1.0)
        features = np.nan_to_num((raw - center) / scale)
        used = np.zeros((lags + 1, len(variable)), bool)
        used[1:] = ~np.isin(variable, schema.positions(Role.REWARD))
        used[0] = exogenous & (now or lags == 0)
        rows = log.windows(lags + 1) + lags
        x = np.concatenate([features[rows - k][:, used[k]] for k in range(lags + 1)], 1)
        x = np.concatenate([x, np.ones((len(x), 1))], 1)
        weight = np.zeros((lags + 1, len(variable), len(outputs)))
        bias = np.zeros(len(outputs))
        for i, output in enumerate(outputs):
            seen = ~np.isnan(log.aligned[rows, variable[output]])
            solved = _ridge(x[seen], features[rows[seen], output], ridge)
            weight[:, :, i][used], bias[i] = solved[:-1], solved[-1]
        return cls(variable, level, binary, outputs, center, scale, weight, bias)

    def rollout(
        self,
        windows: Float[np.ndarray, "worlds lags variables"],
        exogenous: Float[np.ndarray, "worlds steps variables"],
    ) -> Float[np.ndarray, "worlds steps variables"]:
        """Rows 1…T in the variables' own units, each prediction fed back.

        ``windows`` are rows 0, −1, …, the newest first, without gaps; ``exogenous`` gives actions
        and contexts of rows 1…T, and what is not a state is returned as given there.
        """
        now = self._standard(exogenous)
        past = [self._standard(windows[:, k]) for k in range(self.lags)]
        out = exogenous.copy()
        for t in range(exogenous.shape[1]):
            value = self.bias + now[:, t] @ self.weight[0]
            for k, row in enumerate(past):
                value = value + row @ self.weight[k + 1]
            row = now[:, t].copy()
            row[:, self.outputs] = np.clip(value, -MOST, MOST)
            out[:, t] = self._decode(row, out[:, t])
            past = [self._standard(out[:, t]), *past][: self.lags]
        return out

    def _standard(self, rows: np.ndarray) -> np.ndarray:
        return (encoded(rows, self.variable, self.level) - self.center) / self.scale

    def _decode(self, features: np.ndarray, row: np.ndarray) -> np.ndarray:
        row, raw = row.copy(), features * self.scale + self.center
        for i in np.unique(self.variable[self.outputs]):
            own = np.flatnonzero(self.variable == i)
            if self.level[own[0]] >= 0:
                row[:, i] = raw[:, own].argmax(1)
            elif self.binary[own[0]]:
                row[:, i] = raw[:, own[0]] > 0.5
            else:
                row[:, i] = raw[:, own[0]]
        return row


def _ridge(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """Coefficients; the last column is the intercept and is not shrunk."""
    if not len(x):
        return np.zeros(x.shape[1])
    penalty = ridge * np.eye(x.shape[1])
    penalty[-1, -1] = 1e-9
    return np.linalg.solve(x.T @ x + penalty, x.T @ y)
