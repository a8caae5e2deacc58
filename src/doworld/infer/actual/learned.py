"""Actual causes in an episode of a learned world: its mechanisms as tables, its noise as it was."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from pydantic import TypeAdapter

from doworld._core.errors import QueryError, UnknownNameError
from doworld.infer.actual.ask import Normality, Outcome, finite_causes
from doworld.infer.actual.result import ActualCause, ActualCauses
from doworld.infer.history import fill, table
from doworld.mechanisms import StochasticBank
from doworld.model.dynamics import Dynamics, Noise, abduct
from doworld.model.finite import FiniteModel, Rule, rule_of
from doworld.model.simulate import bucket
from doworld.model.world import WorldModel
from doworld.query import Rows
from doworld.query.given import Given

__all__ = ["Unrolled", "episode_causes"]

DRAWS = 20
LARGEST = 3
CELLS = 4096
"""Combinations of parents' levels in one mechanism, at most."""

Place = tuple[int, int]
"""A variable's position and its row."""


def episode_causes(
    model: WorldModel,
    given: Any,
    outcome: Outcome,
    *,
    among: Sequence[str] | None,
    normality: Normality | None,
    largest: int | None,
    budget: int,
    seed: int,
) -> ActualCauses:
    """``actual_causes`` of a learned model: see there.

    The ensemble's first member, on the likeliest graph, is taken. Where levels are drawn, many
    noises explain what was logged: twenty draws of them under Gumbel-max (Oberst & Sontag 2019)
    are searched one by one, ``share`` is how many agree, and the status is ``bounded`` unless all
    draws make the same mechanisms.
    """
    unrolled = Unrolled.of(model, given)
    rule = unrolled.outcome(outcome)
    only = None if among is None else unrolled.among(among)
    most = LARGEST if largest is None else largest
    finite, open_noise = unrolled.models(rule.parents, seed)
    found = [
        finite_causes(one, unrolled.context(one), rule, only, normality, most, budget)
        for one in finite
    ]
    text = unrolled.words(outcome)
    if not open_noise:
        notes = (unrolled.note,)
        return replace(found[0], outcome=text, assumptions=notes)
    return _joined(found, text, unrolled.note)


def _joined(found: list[ActualCauses], text: str, note: str) -> ActualCauses:
    """One list of causes, each with the share of draws that it is one in."""
    causes: dict[frozenset, list[ActualCause]] = {}
    for one in found:
        for cause in one.causes:
            causes.setdefault(frozenset(cause.events.items()), []).append(cause)
    merged = [replace(own[0], share=len(own) / len(found)) for own in causes.values()]
    merged.sort(key=lambda c: (-c.share, len(c.events), -c.responsibility))
    names = dict.fromkeys(n for one in found for n in one.responsibility)
    mean = {n: float(np.mean([o.responsibility.get(n, 0.0) for o in found])) for n in names}
    assumed = (
        note,
        f"Noise of levels cannot be known from what came about: {len(found)} draws of it under "
        "Gumbel-max (Oberst & Sontag 2019) were searched. A share of 100 % is no proof.",
    )
    return replace(
        found[0],
        outcome=text,
        causes=tuple(merged),
        responsibility=mean,
        truncated=any(o.truncated for o in found),
        complete_to=min(o.complete_to for o in found),
        solutions=sum(o.solutions for o in found),
        status="bounded",
        assumptions=assumed,
    )


@jax.jit
def _naturally(
    dynamics: Dynamics, rows: Float[Array, "cells lags variables"], noise: Noise
) -> Float[Array, "cells variables"]:
    """What every mechanism makes of the rows before and beside it; the first member."""

    def one(rows, noise):
        out = jnp.zeros(rows.shape[-1])
        features = dynamics.coding.encode(rows).reshape(-1)
        for bank, own in zip(dynamics.banks, noise, strict=True):
            first = jax.tree.map(lambda leaf: leaf[0], bank)
            before = rows[1, first.targets] if len(rows) > 1 else jnp.zeros(len(first.targets))
            out = out.at[first.targets].set(first.sample(first.inputs(features), before, own))
        return jnp.clip(out, dynamics.lower, dynamics.upper)

    return jax.vmap(one)(rows, noise)


@jax.jit
def _recovered(dynamics: Dynamics, window: Array, rows: Array, key: Array) -> Noise:
    banks = jax.tree.map(lambda leaf: leaf[0], dynamics.banks)
    return abduct(dynamics, banks, window, rows, key)


@dataclass(frozen=True, eq=False)
class Unrolled:
    """An episode and the model that made it, row by row.

    Attributes:
        model: the learned world.
        values: the rows in the variables' own units, discrete ones as codes.
        gap: where nothing was logged.
        first: the first row that mechanisms made.
    """

    model: WorldModel
    values: Float[np.ndarray, "rows variables"]
    gap: Bool[np.ndarray, "rows variables"]
    first: int

    @classmethod
    def of(cls, model: WorldModel, given: Any) -> "Unrolled":
        """Raises ``QueryError`` for an episode without a transition."""
        rows: Rows = TypeAdapter(Given).validate_python(given)
        logged = table(model.schema, rows)
        first = 0 if model.schema.static else 1
        if len(logged) <= first or (model.schema.static and len(logged) > 1):
            raise QueryError(
                f"the episode has {len(logged)} rows. Give one unit of a table, or at least two "
                "consecutive rows of a log over time."
            )
        filled = fill(logged, model.typical)
        return cls(model, filled.values, filled.gap, first)

    @property
    def note(self) -> str:
        """What the unrolled model takes for granted."""
        return "The learned graph and mechanisms are taken as true, with no hidden common cause."

    def name(self, place: Place) -> str:
        """The name and "@row", or the name alone in a static table."""
        name = self.model.schema.names[place[0]]
        return name if self.model.schema.static else f"{name}@{place[1]}"

    def place(self, name: str) -> Place:
        """The inverse; a plain name is the last row. Raises ``UnknownNameError``."""
        plain, sign, row = name.rpartition("@")
        if sign and plain in self.model.schema.names and row.isdigit():
            if int(row) >= len(self.values):
                known = [f"{plain}@{t}" for t in range(len(self.values))]
                raise UnknownNameError("event of this episode", name, known)
            return self.model.schema.position(plain), int(row)
        return self.model.schema.position(name), len(self.values) - 1

    def outcome(self, outcome: Outcome) -> Rule:
        """φ over the unrolled variables."""
        if isinstance(outcome, Mapping):
            if not outcome:
                raise QueryError("the outcome names no event. Name one, as in {'failed': True}.")
            places = [self.place(n) for n in outcome]
            schema = self.model.schema.variables
            wanted = tuple(
                schema[i].label(schema[i].code(v))
                for (i, _), v in zip(places, outcome.values(), strict=True)
            )
            return Rule(tuple(map(self.name, places)), lambda *values: values == wanted)
        rule = rule_of(outcome)
        return Rule(tuple(self.name(self.place(p)) for p in rule.parents), rule.function)

    def words(self, outcome: Outcome) -> str:
        """φ in words, by row."""
        names = outcome if isinstance(outcome, Mapping) else rule_of(outcome).parents
        named = [self.name(self.place(n)) for n in names]
        if isinstance(outcome, Mapping):
            pairs = zip(named, outcome.values(), strict=True)
            return " and ".join(f"{n} = {v}" for n, v in pairs)
        return "the outcome (a condition on " + ", ".join(named) + ")"

    def among(self, names: Sequence[str]) -> list[str]:
        """Events by name; a plain name means all its rows."""
        out = []
        for name in names:
            if "@" in name or self.model.schema.static:
                out.append(self.name(self.place(name)))
            else:
                i = self.model.schema.position(name)
                out += [self.name((i, t)) for t in range(len(self.values))]
        return out

    def context(self, finite: FiniteModel) -> dict[str, Any]:
        """What the episode sets from outside."""
        return {n: self.label(self.place(n)) for n in finite.ranges if n not in finite.rules}

    def label(self, place: Place) -> Any:
        """The logged value."""
        i, t = place
        return self.model.schema.variables[i].label(float(self.values[t, i]))

    def parents(self, place: Place) -> list[Place]:
        """The causes within the episode; what lies before its first row is taken as it was."""
        i, t = place
        schema = self.model.schema
        if t < self.first or int(np.asarray(self.model.dynamics.order)[i]) < 0:
            return []
        causes = self.model.graph.parents(schema.names[i])
        return [(schema.position(n), t - lag) for n, lag in causes if t >= lag]

    def models(self, outcome: Sequence[str], seed: int) -> tuple[list[FiniteModel], bool]:
        """The finite models of the draws of noise, and whether they differ.

        Raises ``QueryError`` where a mechanism that leads to the outcome has no finite range.
        """
        places, frontier = {self.place(n) for n in outcome}, [self.place(n) for n in outcome]
        while frontier:
            new = [p for p in self.parents(frontier.pop()) if p not in places]
            places.update(new)
            frontier += new
        made = sorted((p for p in places if self.parents(p)), key=lambda p: (p[1], p[0]))
        self._check(places)
        stochastic = {
            int(i)
            for bank in self.model.dynamics.banks
            if isinstance(bank, StochasticBank)
            for i in np.asarray(bank.targets)[0]
        }
        draws = DRAWS if any(i in stochastic for i, _ in made) else 1
        keys = jax.random.split(jax.random.key(seed), draws)
        every = [self._tables(made, key) for key in keys]
        different = any(
            not np.array_equal(every[0][p], other[p]) for other in every[1:] for p in made
        )
        if not different:
            every = every[:1]
        return [self._finite(places, tables) for tables in every], different

    def _made(self, place: Place) -> bool:
        return bool(self.parents(place))

    def levels(self, place: Place) -> tuple[float, ...]:
        """The codes that a place can take: the logged one alone of a number set from outside."""
        count = self.model.schema.variables[place[0]].levels
        return tuple(map(float, range(count))) if count else (float(self.values[place[::-1]]),)

    def _check(self, places: set[Place]) -> None:
        for place in sorted(places):
            variable = self.model.schema.variables[place[0]]
            if not variable.levels and self._made(place):
                raise QueryError(
                    f"{variable.name!r} is a {variable.kind.value} variable on the way to the "
                    "outcome, and actual causes are defined on finitely many values. Cut it into "
                    "levels before learning, or ask Blame or Counterfactual."
                )
            if self.gap[place[::-1]]:
                raise QueryError(
                    f"{self.name(place)} was not logged, so what caused the outcome through it "
                    "cannot be said. Give the episode that value."
                )
            cells = int(np.prod([len(self.levels(p)) for p in self.parents(place)] or [1]))
            if cells > CELLS:
                raise QueryError(
                    f"{variable.name!r} has {cells} combinations of its causes' levels, and "
                    f"{CELLS} are the most. Learn it with fewer causes or levels."
                )

    def _window(self, t: int) -> np.ndarray:
        """Row t and those before it, the newest first; before the first row it holds."""
        lags = self.model.dynamics.max_lag
        return self.model.scaled(self.values[np.maximum(t - np.arange(lags + 1), 0)])

    def _tables(self, made: Sequence[Place], key: Array) -> dict[Place, np.ndarray]:
        """The level of every mechanism for every combination of its causes', by place."""
        model = self.model
        lags = model.dynamics.max_lag
        window = jnp.asarray(self._window(0)[:1].repeat(lags, 0), jnp.float32)
        rows = jnp.asarray(model.scaled(self.values[self.first :]), jnp.float32)
        noise = _recovered(model.dynamics, window, rows, key)
        cells, at = [], []
        for place in made:
            t, parents = place[1], self.parents(place)
            for combination in product(*(self.levels(p) for p in parents)):
                own = self._window(t)
                for (j, s), code in zip(parents, combination, strict=True):
                    own[t - s, j] = (code - model.center[j]) / model.scale[j]
                cells.append(own)
                at.append(t - self.first)
        size = bucket(len(cells))
        stacked = np.stack(cells + [cells[-1]] * (size - len(cells)))
        index = np.array(at + [at[-1]] * (size - len(at)))
        picked = jax.tree.map(lambda leaf: leaf[index], noise)
        values = np.asarray(_naturally(model.dynamics, jnp.asarray(stacked, jnp.float32), picked))
        out, begin = {}, 0
        for place in made:
            shape = [len(self.levels(p)) for p in self.parents(place)]
            count = int(np.prod(shape))
            column = values[begin : begin + count, place[0]]
            out[place] = column.round().astype(int).reshape(shape)
            begin += count
        return out

    def _finite(self, places: set[Place], tables: Mapping[Place, np.ndarray]) -> FiniteModel:
        schema = self.model.schema.variables
        ordered = sorted(places, key=lambda p: (p[1], p[0]))
        labels = {p: tuple(schema[p[0]].label(c) for c in self.levels(p)) for p in ordered}
        rules = {}
        for place, own in tables.items():
            parents = self.parents(place)
            codes = [{v: k for k, v in enumerate(labels[p])} for p in parents]
            rules[self.name(place)] = Rule(
                tuple(map(self.name, parents)), _looked_up(own, codes, labels[place])
            )
        fixed = tuple(self.name(p) for p in ordered if len(labels[p]) == 1 and p not in tables)
        return FiniteModel({self.name(p): labels[p] for p in ordered}, rules, fixed)


def _looked_up(
    own: np.ndarray, codes: list[dict[Any, int]], labels: tuple[Any, ...]
) -> Callable[..., Any]:
    """A rule that reads a table by labels."""

    def rule(*values: Any) -> Any:
        return labels[int(own[tuple(c[v] for c, v in zip(codes, values, strict=True))])]

    return rule
