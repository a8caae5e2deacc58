"""The ways in which environments may share one regression, scored for many regressions at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["Sharing", "Sums"]

RIDGE = 1e-9
MOST_SPLIT = 12
"""Environments up to which each may be found to have a mechanism of its own."""
RATHER = 1.0
"""By how much a cause in the table must be worse than the environment to be passed over for it."""


@dataclass(frozen=True, eq=False)
class Sums:
    """FᵀF and the number of rows of each environment, of one or of several draws of the rows."""

    squares: Float[np.ndarray, "draws environments features features"]
    rows: Float[np.ndarray, "draws environments"]

    @classmethod
    def of(
        cls,
        features: Float[np.ndarray, "rows features"],
        place: Int[np.ndarray, " rows"],
        weights: Float[np.ndarray, "draws rows"],
    ) -> "Sums":
        """How often each draw has each row are its ``weights``."""
        squares, rows = [], []
        for e in range(int(place.max()) + 1):
            at = np.flatnonzero(place == e)
            own, often = features[at], weights[:, at]
            squares.append(np.stack([(own * w[:, None]).T @ own for w in often]))
            rows.append(often.sum(1))
        return cls(np.stack(squares, 1), np.stack(rows, 1))


@dataclass(frozen=True, eq=False)
class Sharing:
    """Sums of many regressions, the outcome last, and what each environment's own one leaves.

    A mechanism has a level, weights and noise. Environments that share it may have some of these of
    their own, but not all; noise of their own does not weigh the rows by which the rest is fitted.

    Attributes:
        whole: about zero, with a constant first.
        centred: about the mean of each environment.
        rows: how many there are.
        single: squares that each environment's own regression leaves.
        alone: −n_e log σ²_e of it.
        ends: what its own weights leave of the constant and the outcome, and of their product.
        penalty: the price of a parameter.
    """

    whole: Float[np.ndarray, "fits environments n n"]
    centred: Float[np.ndarray, "fits environments m m"]
    rows: Float[np.ndarray, "fits environments"]
    single: Float[np.ndarray, "fits environments"]
    alone: Float[np.ndarray, "fits environments"]
    ends: Float[np.ndarray, "fits environments 2 2"]
    penalty: float

    @classmethod
    def of(
        cls,
        sums: Sums,
        kept: Int[np.ndarray, " kept"],
        at: Int[np.ndarray, "sets columns"],
        penalty: float,
    ) -> "Sharing":
        """The regressions of each draw on each set of columns, in this order."""
        columns = np.concatenate([np.zeros((len(at), 1), np.int64), at], 1)
        n = columns.shape[1]
        flat = (columns[:, :, None] * sums.squares.shape[-1] + columns[:, None, :]).ravel()
        squares = sums.squares.reshape(*sums.squares.shape[:2], -1)[:, kept]
        whole = squares[:, :, flat].reshape(len(squares), len(kept), len(at), n, n)
        whole = np.ascontiguousarray(whole.swapaxes(1, 2)).reshape(-1, len(kept), n, n)
        rows = np.repeat(sums.rows[:, kept], len(at), 0)
        total = whole[:, :, 0, 1:]
        centred = whole[:, :, 1:, 1:] - (
            total[..., :, None] * (total / rows[..., None])[..., None, :]
        )
        single = _left_alone(centred)
        alone = -rows * np.log(single / rows + RIDGE)
        return cls(whole, centred, rows, single, alone, _ends(whole), penalty)

    def best(
        self,
        together: Bool[np.ndarray, " environments"],
        above: Float[np.ndarray, " fits"] | float = -np.inf,
    ) -> tuple[Float[np.ndarray, " fits"], Int[np.ndarray, " fits"]]:
        """Score and parameters of the best way found, starting from these environments shared.

        Then one after the other is set apart. What cannot come ``above`` is not looked for.
        """
        fits, many = self.rows.shape
        every = np.arange(fits)
        found, count = self.apart()
        now = np.tile(together, (fits, 1))
        score, used = self.shared(every, now[:, None])
        better = score[:, 0] >= found
        found = np.where(better, score[:, 0], found)
        count = np.where(better, used[:, 0], count)
        if not 2 < many <= MOST_SPLIT:
            return found, count
        left = int(together.sum())
        while left > 1:
            able = self._bound(many - left + 1) > np.maximum(found, above)
            every = every[able[every]]
            if not len(every):
                break
            one = np.nonzero(now[every])[1].reshape(-1, left)
            fewer = np.repeat(now[every, None], left, 1)
            np.put_along_axis(fewer, one[:, :, None], values=False, axis=2)
            score, used = self.shared(every, fewer)
            at = np.arange(len(every)), score.argmax(1)
            better = score[at] > found[every]
            every, at = every[better], (at[0][better], at[1][better])
            found[every], count[every], now[every] = score[at], used[at], fewer[at]
            left -= 1
        return found, count

    def apart(self) -> tuple[Float[np.ndarray, " fits"], Int[np.ndarray, " fits"]]:
        """Score and parameters where every environment is on its own."""
        many = self.rows.shape[1] * (self.centred.shape[2] + 1)
        score = self.alone.sum(1) - self.penalty * many - RATHER
        return score, np.full(len(score), many)

    def _bound(self, apart: int) -> Float[np.ndarray, " fits"]:
        """What no way with so many environments apart, or more, exceeds but by rounding."""
        each = self.centred.shape[2] + 1
        chosen = 2 * apart * np.log(self.rows.shape[1])
        return self.alone.sum(1) - chosen - self.penalty * (apart + 1) * each - RATHER

    def _left(
        self, which: Int[np.ndarray, " some"], share: Float[np.ndarray, "some ways environments"]
    ) -> Iterator[tuple[bool, bool, Float[np.ndarray, "some ways environments"]]]:
        """Whether levels and weights are each environment's own, and the squares that are left."""
        yield False, False, _left(share, self.whole[which])
        yield True, False, _left(share, self.centred[which])
        if self.centred.shape[2] == 1:
            return
        yield True, True, self.single[which, None] * share
        ends = self.ends[which, None]
        ones, both, outcome = ends[..., 0, 0], ends[..., 0, 1], ends[..., 1, 1]
        level = (share * both).sum(2) / np.maximum((share * ones).sum(2), RIDGE)
        left = outcome - 2 * level[..., None] * both + level[..., None] ** 2 * ones
        yield False, True, np.maximum(left, 0.0) * share

    def shared(
        self, which: Int[np.ndarray, " some"], together: Bool[np.ndarray, "some ways environments"]
    ) -> tuple[Float[np.ndarray, "some ways"], Int[np.ndarray, "some ways"]]:
        """Score and parameters where some environments share, and the others are on their own."""
        inputs, kept = self.centred.shape[2] - 1, together.sum(2)
        apart = together.shape[2] - kept
        rest = np.where(together, 0.0, self.alone[which, None]).sum(2)
        many = apart * (inputs + 2)
        chosen = np.where(kept > 0, 2 * apart * np.log(together.shape[2]), 0.0)
        best = np.where(kept > 0, -np.inf, rest - self.penalty * many - RATHER)
        count = many.copy()
        share, rows = together.astype(float), self.rows[which, None]
        total = np.maximum((share * rows).sum(2), 1.0)
        for own_level, own_weights, left in self._left(which, share):
            one = -total * np.log(left.sum(2) / total + RIDGE)
            values = [(False, one)]
            if not (own_level and own_weights):  # else all would be their own, as in apart()
                values.append((True, -(share * rows * np.log(left / rows + RIDGE)).sum(2)))
            for own_noise, value in values:
                used = many + inputs * (kept if own_weights else 1)
                used = used + (kept if own_level else 1) + (kept if own_noise else 1)
                differs = np.where((apart > 0) | own_level | own_weights | own_noise, RATHER, 0.0)
                score = value + rest - chosen - self.penalty * used - differs
                better = (kept > 0) & (score > best)
                best, count = np.where(better, score, best), np.where(better, used, count)
        return best, count


def _left(
    share: Float[np.ndarray, "fits ways environments"],
    each: Float[np.ndarray, "fits environments n n"],
) -> Float[np.ndarray, "fits ways environments"]:
    """Squares that the regression of the last column pooled in each way leaves of those in it."""
    fits, ways, _ = share.shape
    n = each.shape[-1]
    pooled = (share @ each.reshape(fits, -1, n * n)).reshape(fits, ways, n, n)
    size = np.maximum(np.trace(pooled, axis1=2, axis2=3), RIDGE)[..., None, None]
    inner = pooled[..., :-1, :-1] + RIDGE * size * np.eye(n - 1)
    weights = np.ones((fits, ways, n))
    weights[..., :-1] = -np.linalg.solve(inner, pooled[..., :-1, -1:])[..., 0]
    turned = weights.swapaxes(1, 2)[:, None]
    left = ((each @ turned) * turned).sum(2).swapaxes(1, 2)
    return np.maximum(left, 0.0) * share


def _left_alone(
    each: Float[np.ndarray, "fits environments n n"],
) -> Float[np.ndarray, "fits environments"]:
    """The same of each environment's own regression."""
    size = np.maximum(np.trace(each, axis1=2, axis2=3), RIDGE)[..., None, None]
    inner = each[..., :-1, :-1] + RIDGE * size * np.eye(each.shape[-1] - 1)
    product = each[..., :-1, -1]
    weights = np.linalg.solve(inner, product[..., None])[..., 0]
    return np.maximum(each[..., -1, -1] - (weights * product).sum(-1), 0.0)


def _ends(
    whole: Float[np.ndarray, "fits environments n n"],
) -> Float[np.ndarray, "fits environments 2 2"]:
    """Products of the first and last column after regression on those between, about zero."""
    size = np.maximum(np.trace(whole, axis1=2, axis2=3), RIDGE)[..., None, None]
    inner = whole[..., 1:-1, 1:-1] + RIDGE * size * np.eye(whole.shape[-1] - 2)
    ends = whole[..., [0, -1]]
    between = ends[..., 1:-1, :]
    return ends[..., [0, -1], :] - between.swapaxes(2, 3) @ np.linalg.solve(inner, between)
