"""How far each of many episodes is inside the data, and where no learned law vouches for it."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from doworld.data import Role
from doworld.infer.counterfactual.episodes import Episodes
from doworld.infer.engine import Draws
from doworld.infer.no_assumption import doubted, lawful, spanned
from doworld.infer.reach import Reach
from doworld.infer.setup import ASSUMED, Setup
from doworld.infer.support import OUTSIDE, Support, support_of_each
from doworld.query.done import Done
from doworld.query.words import spans

__all__ = ["Standing", "standing"]

USUAL = 0.05
"""Share of episodes that may be outside: the log's own rows that are, by the measure of support."""

REMOTE = 0.1
"""Support below which an episode is far outside, more than three times the usual distance."""

AT_ONCE = 2**22
"""Numbers whose support is worked out at once."""


@dataclass(frozen=True, eq=False)
class Standing:
    """One world of many episodes.

    Attributes:
        setup: the world as a question about one of them, for words.
        support: the mean over the episodes that have a row.
        found, draws: support and rows of the episodes that leave their data, of all if none does.
        wild: where no learned law vouches for what an episode's target would have been.
        far: how many episodes leave their data.
        doubts: why the effects of something that is done are doubtful.
    """

    setup: Setup
    support: Float[np.ndarray, "rows targets"]
    found: Support
    draws: Draws
    wild: Bool[np.ndarray, "units rows targets"]
    far: int
    doubts: tuple[str, ...]

    def words(self, world: str = "") -> list[str]:
        """What the bounds of the mean rest on where they need no law."""
        model, out = self.setup.model, []
        units = f"{len(self.wild):,}"
        for n, target in enumerate(self.setup.targets):
            rows = np.flatnonzero(self.wild[..., n].any(0))
            if not len(rows):
                continue
            some = int(self.wild[..., n].any(1).sum())
            out.append(
                f"{f'In {world}, at' if world else 'At'} {spans(rows.tolist())} the interval of "
                f"{model.schema.names[target]} is a bound: no learned law vouches for {some:,} of "
                f"{units} episodes, which count with {spanned(model, target)}. The estimate takes "
                "what was learned to hold there."
            )
        return out


def standing(
    episodes: Episodes, done: Done, rows: Float[np.ndarray, "units rows variables"]
) -> Standing:
    """``rows`` are whole rows of every episode in the altered world, under one member each."""
    model, targets = episodes.model, list(episodes.targets)
    reach = episodes.reach.following(done)
    acted = _acted(episodes, done)
    rows = np.where(np.isnan(rows), episodes.values, rows)
    fact = ~_reached(acted, reach) | ~episodes.inside[..., None]
    local, within, total = _supports(episodes, reach, done, rows, fact)
    total = total * np.where(_certain(episodes), 1.0, ASSUMED)
    laws = lawful(model, reach)
    free = ~done.cut[:, targets] & episodes.inside[..., None]
    lawless = np.array([t not in laws for t in targets])
    outside = (total[..., targets] < OUTSIDE) & free
    outside &= ~_usual(episodes, reach, outside, total[..., targets])
    far = outside & lawless
    doubt, why = doubted(model, reach, acted)
    out = outside.any((1, 2))
    chosen = out if out.any() else np.ones(episodes.units, bool)
    found = Support(local[chosen].mean(0), within[chosen].mean(0), total[chosen].mean(0))
    weight = episodes.inside / episodes.inside.sum(0)
    paths = rows[chosen]
    return Standing(
        setup=_setup(episodes, done, np.median(paths[:, 0], 0)),
        support=np.einsum("urt,ur->rt", total[..., targets], weight),
        found=found,
        draws=Draws(values=paths[None][..., targets], paths=paths),
        wild=far | (doubt[..., targets] & free),
        far=int(out.sum()),
        doubts=tuple(why),
    )


def _usual(
    episodes: Episodes,
    reach: Reach,
    outside: Bool[np.ndarray, "units rows targets"],
    total: Float[np.ndarray, "units rows targets"],
) -> Bool[np.ndarray, "units rows targets"]:
    """Where an episode is no further out than some rows of any log are.

    A twentieth of the log's own rows lies beyond the radius that support is measured by. As few
    episodes of many may, if not by far, or hardly further than they were as logged.
    """
    few = outside.sum(0) <= USUAL * episodes.inside.sum(0)[:, None]
    usual = few & (total >= REMOTE)
    left = np.flatnonzero((outside & few & ~usual).any((1, 2)))
    if len(left):
        rows = episodes.values[left]
        nowhere = np.zeros(rows.shape, bool)
        logged = support_of_each(episodes.model, reach, paths=rows, cut=nowhere[0], fact=nowhere)[
            2
        ][..., list(episodes.targets)]
        usual[left] |= few & (total[left] >= logged / 2)
    return usual


def _acted(episodes: Episodes, done: Done) -> Bool[np.ndarray, "units rows variables"]:
    """Where what is done would not be what was logged."""
    if done.policies:
        return np.stack([done.differs(rows) for rows in episodes.logged])
    there = done.gain * episodes.logged + done.offset
    return done.touched & ~np.isclose(there, episodes.logged, rtol=1e-9, atol=0.0)


def _reached(
    acted: Bool[np.ndarray, "units rows variables"], reach: Reach
) -> Bool[np.ndarray, "units rows variables"]:
    """What an action that differs from the fact can have changed."""
    first = np.where(acted.any(1), acted.argmax(1), np.inf)
    when = np.full(first.shape, np.inf)
    for cause in np.flatnonzero(acted.any((0, 1))):
        when = np.minimum(when, first[:, cause, None] + reach.delay[cause])
    return np.arange(acted.shape[1])[:, None] >= when[:, None]


def _supports(episodes: Episodes, reach: Reach, done: Done, rows: np.ndarray, fact: np.ndarray):
    """(local, within, total) of every episode, some at a time."""
    piece = max(1, AT_ONCE // max(rows[0].size, 1))
    parts = [
        support_of_each(
            episodes.model,
            reach,
            paths=rows[begin : begin + piece],
            cut=done.cut,
            fact=fact[begin : begin + piece],
        )
        for begin in range(0, len(rows), piece)
    ]
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def _certain(episodes: Episodes) -> Bool[np.ndarray, "units rows variables"]:
    """Where a value and all its causes in the log are known."""
    gap = np.isnan(episodes.logged) & (np.asarray(episodes.model.dynamics.order) >= 0)
    gap[..., episodes.model.schema.positions(Role.REWARD)] = False
    touched = gap.copy()
    if not gap.any():
        return ~touched
    count = episodes.count
    for k in range(episodes.reach.acts.shape[2]):
        touched[:, k:] |= gap[:, : count - k] @ episodes.reach.acts[..., k]
    return ~touched


def _setup(episodes: Episodes, done: Done, begin: Float[np.ndarray, " variables"]) -> Setup:
    """The world as a question of one episode that begins with ``begin``."""
    return replace(
        episodes.setup(done),
        first=0,
        exogenous=episodes.values[0],
        window=np.repeat(begin[None], episodes.model.dynamics.max_lag, 0),
    )
