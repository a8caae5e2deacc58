"""Does the effect follow when something else moves the cause? Tests by instruments, over time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats
from scipy.linalg import qr

from doworld.data import Kind, Policy, Role, Trajectories
from doworld.discover.numerics.samples import columns_of
from doworld.discover.numerics.standard import standardise

__all__ = ["Instruments", "Link", "Verdict", "Word"]

Link = tuple[str, str, int]
"""A supposed cause, its effect, and how many rows it takes."""
STRONG = 5.0
"""Student's t of a mover's effect on the cause, below which it moves it too little."""
SHOWN = 4.0
"""Errors that the effect would differ from zero by if it followed."""
SILENT = 0.1
AGREED = 0.01
"""Below this p-value movers do not give one effect."""
OPEN = 0.1
"""Movers contradict each other where what most say has a larger chance to be a coincidence."""
DENSE = 4
"""Rows a column below which nothing is tested."""
INDEPENDENT = 1e-5
DIRECT = 0.25
"""How likely a mover of a cause is to act on its effect by itself."""


class Word(StrEnum):
    """What movers of a supposed cause say of its effect.

    ``FOLLOWS``: the effect moves with it as far as it should. ``STILL``: it does not move at all.
    ``SHARED``: it follows, but less or more than the log's regression has it. ``MIXED``: movers
    act on the effect themselves. ``UNTESTED``: nothing moves the cause strongly enough.
    """

    FOLLOWS = "follows"
    STILL = "still"
    SHARED = "shared"
    MIXED = "mixed"
    UNTESTED = "untested"


@dataclass(frozen=True)
class Verdict:
    """What the movers of a supposed cause say of one link.

    Attributes:
        link: the cause, the effect, the rows between.
        word: the finding.
        movers: variables and lags, counted from the cause's row, that speak for it.
        chance: how likely effects that cancel by chance look so.
        p_value: of the hypothesis that the effect does follow as the regression has it.
        effect: of the cause by its movers, standardised; NaN where untested.
        rows: how many rows were used.
    """

    link: Link
    word: Word
    movers: tuple[tuple[str, int], ...] = ()
    chance: float = 1.0
    p_value: float = 1.0
    effect: float = float("nan")
    rows: int = 0

    @property
    def reason(self) -> str:
        """The finding in words."""
        cause, effect, _ = self.link
        named = ", ".join(f"{n}(t-{lag})" for n, lag in self.movers)
        return {
            Word.FOLLOWS: f"{effect} follows where {named} moves {cause}",
            Word.STILL: f"{effect} does not follow where {named} moves {cause}",
            Word.SHARED: f"{effect} follows where {named} moves {cause}, otherwise than where "
            "it moves by itself",
            Word.MIXED: f"what moves {cause} also moves {effect} by itself",
            Word.UNTESTED: f"nothing moves {cause} strongly enough to see whether {effect} follows",
        }[self.word]


@dataclass(frozen=True, eq=False)
class _Past:
    """All that is known one row before a cause, at rows that reach some rows beyond it.

    Attributes:
        rows: of the cause.
        table: what is known, one column each.
        movers: the variable and lag of each column.
    """

    rows: Int[np.ndarray, " rows"]
    table: Float[np.ndarray, "rows columns"]
    movers: tuple[tuple[str, int], ...]


class Instruments:
    r"""Tests of supposed links X(t) → Y(t + k) by what moves X.

    Let P be all that is logged in the rows before X(t), up to ``lags`` + 1 rows back, with what of
    X's own row is no effect of it, and Z any column of the former but Y's own past. With the
    reduced forms

        X(t) = a Z + … + v,    Y(t + k) = γ Z + … + w,    b = cov(v, w) / var(v),

    an unconfounded effect of X on Y, b in all, that Z acts through alone has γ = a b; where X does
    not act on Y and Z does not either, γ = 0. (The comparison of Durbin, Wu and Hausman; Hausman
    1978.) X itself is not given: Z and an unobserved cause of X both move it, and given X, Z would
    look like a cause of Y. One lag more than was looked at makes errors robust to unequal variance
    valid for forecasts k rows ahead (Montiel Olea & Plagborg-Møller 2021).

    Z counts if it moves X strongly (t ≥ ``STRONG``), and if a b is at least ``SHOWN`` errors of γ.
    That γ ≈ 0 may also come about if Z acts on Y by itself just so that both cancel. If a mover
    acts on Y so with probability s, and the effect may be anything of the size of a, the chance is
    about s / z with z = |a| / error, and for r of m movers that say the same, all others of which
    then must act on Y by themselves, C(m, r) sᵐ⁻ʳ times the product.

    Args:
        log: over time.
        names: variables that vary.
        lags: the longest lag looked at.
        tested: variables whose links are tested; they have noise, and answer linearly.
    """

    def __init__(
        self, log: Trajectories, names: Sequence[str], lags: int, *, tested: Collection[str]
    ) -> None:
        self.log, self.lags, self.tested = log, lags + 1, frozenset(tested)
        self.columns = {n: columns_of(log, n) for n in names}
        self._past: dict[int, _Past] = {}

    def scalar(self, name: str) -> bool:
        """Whether links of a variable are tested: it is one number, and answers linearly."""
        return name in self.tested and self.log.schema[name].kind is not Kind.CATEGORICAL

    def verdict(self, link: Link, given: Sequence[str] = ()) -> Verdict:
        """What movers of the cause say of one link; ``given`` is no effect of it in its row."""
        cause, effect, lag = link
        if not (self.scalar(cause) and self.scalar(effect)):
            return Verdict(link, Word.UNTESTED)
        if lag not in self._past:
            self._past[lag] = self._gather(lag)
        past = self._past[lag]
        beside = [self.columns[n][past.rows] for n in given]
        inputs = np.concatenate([past.table, *beside], 1)
        kept = _independent(inputs)
        if len(past.rows) <= DENSE * (len(kept) + 2):
            return Verdict(link, Word.UNTESTED)
        outcomes = np.c_[self.columns[cause][past.rows], self.columns[effect][past.rows + lag]]
        names = [past.movers[k] for k in kept if k < past.table.shape[1]]
        foreign = np.array([n != effect for n, _ in names], bool)
        actions = np.array([self.log.schema[n].role is Role.ACTION for n, _ in names], bool)
        votes = _votes(inputs[:, kept], outcomes, foreign)
        if self.log.schema.policy is Policy.RANDOMISED:
            # nothing moves what is drawn at random: where such movers are strong, they decide
            drawn = replace(votes, foreign=foreign & actions)
            votes = drawn if drawn.moves.any() else votes
        return _decided(link, votes, names)

    def _gather(self, ahead: int) -> _Past:
        log = self.log
        since = np.arange(log.rows) - log.starts[log.episode_of_row]
        length = np.diff(log.starts)[log.episode_of_row]
        rows = np.flatnonzero((since >= self.lags) & (since + ahead < length))
        parts, movers = [], []
        for lag in range(1, self.lags + 1):
            for name, values in self.columns.items():
                if log.schema[name].role is not Role.REWARD:
                    parts.append(values[rows - lag])
                    movers += [(name, lag)] * values.shape[1]
        table = np.concatenate(parts, 1)
        whole = np.isfinite(table).all(1)
        for name, values in self.columns.items():
            if log.schema[name].role is not Role.ACTION:
                whole &= np.isfinite(values[rows]).all(1) & np.isfinite(values[rows + ahead]).all(1)
        return _Past(rows[whole], table[whole], tuple(movers))


@dataclass(frozen=True, eq=False)
class _Votes:
    """Reduced forms of a link's ends, by mover: see ``Instruments``.

    ``follow`` is the t of γ − a b, ``own`` is b, all standardised; ``foreign`` are the movers other
    than the effect's own past, which acts on it in most worlds.
    """

    a: Float[np.ndarray, " movers"]
    a_error: Float[np.ndarray, " movers"]
    gamma: Float[np.ndarray, " movers"]
    error: Float[np.ndarray, " movers"]
    follow: Float[np.ndarray, " movers"]
    own: float
    rows: int
    foreign: Bool[np.ndarray, " movers"]

    @property
    def shown(self) -> Float[np.ndarray, " movers"]:
        """How many errors the effect would differ from zero by if it followed."""
        return np.abs(self.a * self.own) / self.error

    @property
    def moves(self) -> Bool[np.ndarray, " movers"]:
        """Who moves the cause strongly enough."""
        return self.strong & (self.shown >= SHOWN)

    @property
    def strong(self) -> Bool[np.ndarray, " movers"]:
        """Who moves the cause, whether or not the effect would be seen to follow."""
        return self.foreign & (np.abs(self.a) >= STRONG * self.a_error)

    def ratio(
        self, who: Int[np.ndarray, " some"]
    ) -> tuple[Float[np.ndarray, " some"], Float[np.ndarray, " some"]]:
        """The effect by each of these movers alone, γ / a, and its error to first order."""
        ratio = self.gamma[who] / self.a[who]
        error = np.hypot(self.error[who], ratio * self.a_error[who]) / np.abs(self.a[who])
        return ratio, error


def _votes(
    inputs: Float[np.ndarray, "rows columns"],
    ends: Float[np.ndarray, "rows two"],
    foreign: Bool[np.ndarray, " movers"],
) -> _Votes:
    """The regressions of both ends on what is known, with HC3 errors (MacKinnon and White 1985)."""
    movers = len(foreign)
    x, _ = standardise(inputs)
    y, _ = standardise(ends)
    precision = np.linalg.inv(x.T @ x)
    apart = x @ precision
    coefficient = apart.T @ y
    left = y - x @ coefficient
    leverage = np.minimum(np.einsum("ij,ij->i", apart, x) + 1 / len(x), 0.9)
    left = left / (1 - leverage)[:, None]
    spread = max(float(left[:, 0] @ left[:, 0]), 1e-300)
    own = float(left[:, 0] @ left[:, 1]) / spread
    # the coefficient of a mover beside the cause: γ − a b, with the noise that this leaves
    both = np.c_[left, left[:, 1] - own * left[:, 0]]
    error = np.sqrt(np.maximum((apart**2).T @ both**2, 1e-300))[:movers]
    a, gamma = coefficient[:movers].T
    follow = (gamma - a * own) / error[:, 2]
    return _Votes(a, error[:, 0], gamma, error[:, 1], follow, own, len(x), foreign)


def _decided(link: Link, votes: _Votes, names: Sequence[tuple[str, int]]) -> Verdict:
    """What the movers agree on."""
    moves = votes.moves
    if not moves.any():
        return _shared(link, votes, names) or Verdict(link, Word.UNTESTED, rows=votes.rows)
    bar = stats.norm.isf(SILENT / 2)
    still = moves & (np.abs(votes.gamma) < bar * votes.error)
    follows = moves & (np.abs(votes.follow) < bar)
    if not (still.any() or follows.any()):
        return _shared(link, votes, names) or Verdict(link, Word.MIXED, rows=votes.rows)
    cancelling, agreeing = _coincidence(votes, still), _coincidence(votes, follows)
    who, chance = (still, cancelling) if cancelling < agreeing else (follows, agreeing)
    if still.any() and follows.any():
        # one of the two came about by chance: the less likely did not
        chance = min(1.0, chance / max(cancelling, agreeing))
        if chance > OPEN:
            return _shared(link, votes, names) or Verdict(link, Word.MIXED, rows=votes.rows)
    word = Word.STILL if who is still else Word.FOLLOWS
    p = float(2 * stats.norm.sf(np.abs(votes.follow[who]).max())) if who is still else 1.0
    effect = _common(votes, who)[0]
    return Verdict(link, word, _named(who, names), chance, p, effect, votes.rows)


def _coincidence(votes: _Votes, who: Bool[np.ndarray, " movers"]) -> float:
    """How likely so many movers act on the effect by themselves just so that it looks like that."""
    if not who.any():
        return 1.0
    asked, count = int(votes.moves.sum()), int(who.sum())
    alone = comb(asked, count) * DIRECT ** (asked - count)
    return min(1.0, alone * float(np.prod(DIRECT * votes.error[who] / np.abs(votes.a[who]))))


def _shared(link: Link, votes: _Votes, names: Sequence[tuple[str, int]]) -> Verdict | None:
    """Whether most movers give one effect that is not the regression's.

    Movers may move the effect first, or by itself; the largest set that agrees is believed (the
    plurality rule; Guo, Kang, Cai & Small 2018).
    """
    strong = np.flatnonzero(votes.strong)
    ratio, error = votes.ratio(strong)
    apart = np.abs(ratio[:, None] - ratio) / np.hypot(error[:, None], error)
    near = apart < stats.norm.isf(AGREED / 2)
    if len(strong) < 2 or near.sum(1).max() < 2:
        return None
    who = np.zeros_like(votes.strong)
    who[strong[near[int(near.sum(1).argmax())]]] = True
    count = int(who.sum())
    effect, total, spread = _common(votes, who)
    if stats.chi2.sf(spread, count - 1) <= AGREED:
        return None
    if abs(effect) < STRONG * total or abs(effect - votes.own) < STRONG * total:
        return None
    # one mover fixes the effect; that each further one agrees may be chance
    each = np.sort((DIRECT * votes.error / np.abs(votes.a))[who])[:-1]
    chance = min(1.0, comb(len(strong), count) * float(np.prod(np.minimum(each, 1.0))))
    p = float(2 * stats.norm.sf(abs(effect - votes.own) / total))
    return Verdict(link, Word.SHARED, _named(who, names), chance, p, effect, votes.rows)


def _common(votes: _Votes, who: Bool[np.ndarray, " movers"]) -> tuple[float, float, float]:
    """The effect by all these movers together, its error, and how far they disagree (Q)."""
    ratio, error = votes.ratio(np.flatnonzero(who))
    weight = error**-2
    effect = float((ratio * weight).sum() / weight.sum())
    return effect, float(weight.sum() ** -0.5), float((((ratio - effect) / error) ** 2).sum())


def _named(
    who: Bool[np.ndarray, " movers"], names: Sequence[tuple[str, int]]
) -> tuple[tuple[str, int], ...]:
    return tuple(dict.fromkeys(names[k] for k in np.flatnonzero(who).tolist()))


def _independent(table: Float[np.ndarray, "rows columns"]) -> list[int]:
    """Columns that vary and that no others determine, the first of any such group."""
    scaled, _ = standardise(table)
    if not len(scaled):
        return list(range(table.shape[1]))
    alive = np.flatnonzero(scaled.std(0) > 0)
    triangle, order = qr(scaled[:, alive], mode="r", pivoting=True)  # pyright: ignore
    size = np.abs(np.diag(triangle))
    kept = order[: int((size > INDEPENDENT * size.max(initial=0)).sum())]
    return sorted(alive[kept].tolist())
