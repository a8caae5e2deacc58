"""Who bears which share of a failure: actions in blocks of time, and variables' own noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from doworld.infer.blame.alternatives import Otherwise
from doworld.infer.blame.inquiry import Inquiry, typical_actions
from doworld.infer.shapley import Shares, shapley

__all__ = ["Player", "players", "shares"]

BLOCKS = 6
"""Blocks of time that each action is cut into at most."""


@dataclass(frozen=True)
class Player:
    """An action in rows first…last, or the noise of a variable in rows 1…T."""

    kind: str
    variable: int
    first: int
    last: int


def players(
    inquiry: Inquiry, columns: Sequence[int], targets: Sequence[int], decisive: int | None
) -> list[Player]:
    """The actions in blocks of time, the decisive row one of its own, and the noise of states."""
    episode = inquiry.episode
    reach, steps = episode.reach, episode.steps
    relevant = set(reach.ancestors(list(targets)))
    edges = set(np.linspace(0, steps, min(BLOCKS, steps) + 1).round().astype(int).tolist())
    out = []
    for i in [c for c in columns if c in relevant]:
        cuts = edges if decisive is None else edges | {decisive, decisive + 1}
        ends = sorted(cuts)
        out += [Player("action", i, a, b - 1) for a, b in pairwise(ends)]
    made = np.asarray(episode.model.dynamics.order) >= 0
    out += [Player("noise", i, 1, steps) for i in sorted(relevant) if made[i]]
    return out


def shares(inquiry: Inquiry, who: Sequence[Player], *, seed: int) -> Shares:
    """Shapley shares of v(S) = P(success), the actions and noises of S typical, the rest as it was.

    A typical action is a draw of the log's, a typical noise one of the mechanism's own. v(none) is
    the failure, so the shares sum to P(success) had all been typical.
    """
    frugal = inquiry.thrifty(2 ** min(len(who), 8))
    acting = [p.variable for p in who if p.kind == "action"]
    reference = typical_actions(frugal, acting, seed)

    def game(on: np.ndarray) -> np.ndarray:
        def worlds(part: slice) -> Otherwise:
            return _coalitions(frugal, who, on[part])

        found = frugal.worlds(worlds, len(on), fresh=True, reference=reference)
        return found.success.astype(float).reshape(-1, len(on)).T

    return shapley(game, len(who), seed=seed)


def _coalitions(inquiry: Inquiry, who: Sequence[Player], on: np.ndarray) -> Otherwise:
    out = inquiry.episode.unchanged(len(on))
    cut, typical, anew = map(np.asarray, (out.cut, out.typical, out.anew))
    for n, player in enumerate(who):
        rows = slice(player.first, player.last + 1)
        if player.kind == "action":
            cut[on[:, n], rows, player.variable] = True
            typical[on[:, n], rows, player.variable] = True
        else:
            anew[on[:, n], rows, player.variable] = True
    return Otherwise(cut, np.asarray(out.value), typical, anew, out.follow)  # type: ignore[arg-type]
