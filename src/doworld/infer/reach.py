"""Which variable acts on which, and after how many rows, in the mechanisms themselves."""

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float

from doworld.model.world import WorldModel
from doworld.query.done import Done

__all__ = ["Reach"]


@dataclass(frozen=True, eq=False)
class Reach:
    """The union of all members' parents: what a rollout can depend on at all.

    Members with a sampled graph may hold edges that ``model.graph`` leaves out, so the graph alone
    cannot say that an intervention changes nothing.

    Attributes:
        acts: ``[i, j, k]``: whether i at lag k is an input of j's mechanism.
    """

    acts: Bool[np.ndarray, "sources targets lags"]

    @classmethod
    def of(cls, model: WorldModel) -> "Reach":
        """The reach of a model's mechanisms, worked out once a model."""
        if model not in _KNOWN:
            _KNOWN[model] = cls._of(model)
        return _KNOWN[model]

    @classmethod
    def _of(cls, model: WorldModel) -> "Reach":
        dynamics = model.dynamics
        variable = np.asarray(dynamics.coding.variable)
        size = len(model.schema)
        acts = np.zeros((size, size, dynamics.max_lag + 1), bool)
        for bank in dynamics.banks:
            targets = np.broadcast_to(np.asarray(bank.targets)[..., None], bank.columns.shape)
            lag, feature = np.divmod(np.asarray(bank.columns), len(variable))
            used = np.asarray(bank.mask) > 0
            acts[variable[feature[used]], targets[used], lag[used]] = True
            own = np.asarray(bank.targets)[np.asarray(bank.residual) > 0]
            if dynamics.max_lag:
                acts[own, own, 1] = True
        return cls(acts)

    @cached_property
    def delay(self) -> Float[np.ndarray, "sources targets"]:
        """Rows until i first acts on j along the quickest path; 0 for itself, ∞ for never."""
        lags = np.where(self.acts, np.arange(self.acts.shape[2]), np.inf).min(2)
        np.fill_diagonal(lags, 0.0)
        for k in range(len(lags)):
            lags = np.minimum(lags, lags[:, k, None] + lags[None, k, :])
        return lags

    @cached_property
    def now(self) -> Bool[np.ndarray, "sources targets"]:
        """Whether i acts on j within one row, along any path; everything acts on itself."""
        out = self.acts[..., 0] | np.eye(len(self.acts), dtype=bool)
        for _ in range(len(out).bit_length()):
            out = out @ out
        return out

    def following(self, done: Done) -> "Reach":
        """The same where policies carry what they read to what follows them."""
        if not done.policies:
            return self
        acts = self.acts.copy()
        for reads, policy in zip(done.reads, done.policies, strict=True):
            own = int(policy.variable)
            acts[reads, own, 0] = True
            acts[own, own, 0] = False
            if reads[own] and acts.shape[2] > 1:
                acts[own, own, 1] = True
        return Reach(acts)

    def ancestors(self, targets: list[int]) -> list[int]:
        """The columns that can act on one of ``targets``, these included."""
        return np.flatnonzero(np.isfinite(self.delay[:, targets]).any(1)).tolist()


_KNOWN: WeakKeyDictionary[WorldModel, Reach] = WeakKeyDictionary()
