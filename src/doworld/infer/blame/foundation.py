"""Whether the log vouches for what would have followed from each row's best change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from doworld.infer.blame.inquiry import Inquiry
from doworld.infer.blame.survey import Survey
from doworld.infer.no_assumption import doubted, lawful
from doworld.infer.support import OUTSIDE, Support, support_of_each

__all__ = ["Foundation", "foundation"]


@dataclass(frozen=True, eq=False)
class Foundation:
    """Of every row's best change, whether what follows is inside the data.

    Attributes:
        support: the least of any target in any row; 1 where there is no change to try.
        found: the same in full; ``paths`` the altered episodes, rows 0…T.
        far: where no learned law vouches for what follows.
        doubt: where the effects of the action itself are suspected to be another cause's.
        why: the suspicions.
    """

    support: Float[np.ndarray, " rows"]
    found: tuple[Support | None, ...]
    paths: Float[np.ndarray, "rows steps variables"]
    far: Bool[np.ndarray, " rows"]
    doubt: Bool[np.ndarray, " rows"]
    why: tuple[str, ...]

    @property
    def lost(self) -> Bool[np.ndarray, " rows"]:
        """Where nothing is known of success but that it has a probability."""
        return self.far | self.doubt


def foundation(inquiry: Inquiry, survey: Survey, targets: Sequence[int]) -> Foundation:
    """Follows every best change under one member each; see ``Foundation``."""
    episode, columns = inquiry.episode, list(targets)
    model, values = episode.model, episode.values
    some = [n for n, change in enumerate(survey.best) if change is not None]
    rows = len(survey.rows)
    paths = np.repeat(values[None], rows, 0)
    support, far, doubt = np.ones(rows), np.zeros(rows, bool), np.zeros(rows, bool)
    found: list[Support | None] = [None] * rows
    if not some:
        return Foundation(support, tuple(found), paths, far, doubt, ())
    changes = [c for c in survey.best if c is not None]
    paths[some] = inquiry.each(changes)
    changed = np.abs(paths - values) > 1e-5 * model.scale
    cut = np.zeros(changed.shape, bool)
    for n, change in zip(some, changes, strict=True):
        cut[n, change.row, change.variable] = True
    local, within, total = support_of_each(
        model, episode.reach, paths=paths, cut=cut, fact=~changed & ~cut
    )
    lawless = np.array([t not in lawful(model, episode.reach) for t in columns])
    asked = np.where(cut, 1.0, total)[..., columns]
    reached, why = doubted(model, episode.reach, cut)
    low, high = model.reference.low, model.reference.high
    for n, change in zip(some, changes, strict=True):
        found[n] = Support(local[n], within[n], total[n])
        value, at = change.value, change.variable
        beyond = not low[at] <= value <= high[at]
        support[n] = 0.0 if beyond else asked[n].min()
        far[n] = (asked[n] < OUTSIDE)[:, lawless].any() or (beyond and lawless.any())
        doubt[n] = reached[n][:, columns].any()
    return Foundation(support, tuple(found), paths, far, doubt, tuple(why))
