"""A model with other rules: constants turned, mechanisms altered, edges cut and added."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from doworld._core.errors import QueryError
from doworld.data import Role
from doworld.graph import CausalGraph, Edge
from doworld.mechanisms import (
    AbstractBank,
    AlteredBank,
    AlteredLevels,
    InvertibleBank,
    StochasticBank,
)
from doworld.model.laws import turned
from doworld.model.world import WorldModel
from doworld.query import (
    Alter,
    Cut,
    Feedback,
    Follow,
    Intervention,
    Link,
    Replace,
    Rules,
    Swap,
    Turn,
)
from doworld.query.rule import Rule, rule_words

__all__ = ["AlteredWorld", "altered"]


@dataclass(frozen=True, eq=False)
class AlteredWorld:
    """A model whose rules were changed.

    Attributes:
        interventions: what policies, constants and contexts take the place of.
        notes: how each change was understood, in words.
        idle: changes that change nothing.
        mechanisms, edges: what is no longer that of the log.
    """

    model: WorldModel
    interventions: tuple[Intervention, ...] = ()
    notes: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()


def altered(model: WorldModel, rules: Sequence[Rule]) -> AlteredWorld:
    """The world of ``model`` under other rules; the model itself stays as it is.

    A cause that is cut off stands at a fixed value in the mechanism, its typical one unless
    ``hold`` says another. Laws: no rules return the model itself, and so do changes of nothing.

    Raises ``UnknownNameError`` for an unknown variable, level or constant and ``QueryError`` for a
    variable without a mechanism, arithmetic on levels, and changes that contradict each other.
    """
    _check(model, rules)
    turns = [r for r in rules if isinstance(r, Turn)]
    changed = _turn(model, turns)
    new = _Changes(model, [_Table(model, bank) for bank in changed.dynamics.banks], model.graph)
    new.names += [r.constant.rpartition(".")[0] for r in turns if r.factor != 1]
    new.idle += [f"{rule_words(r)} changes nothing." for r in turns if r.factor == 1]
    for rule in rules:
        new.add(rule)
    banks = tuple(table.bank() for table in new.tables)
    if any(b is not old for b, old in zip(banks, changed.dynamics.banks, strict=True)):
        dynamics = eqx.tree_at(lambda d: d.banks, changed.dynamics, banks)
        changed = replace(changed, dynamics=dynamics, graph=new.graph)
    return AlteredWorld(
        model=changed if len(new.idle) < len(rules) else model,
        interventions=tuple(new.done),
        notes=tuple(new.notes),
        idle=tuple(new.idle),
        mechanisms=tuple(dict.fromkeys(new.names)),
        edges=tuple(new.edges),
    )


@dataclass(eq=False)
class _Changes:
    """What changes, while the rules are read one after the other."""

    model: WorldModel
    tables: "list[_Table]"
    graph: CausalGraph
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    edges: list[str] = field(default_factory=list)
    done: list[Intervention] = field(default_factory=list)

    def add(self, rule: Rule) -> None:
        """One rule; constants are turned beforehand."""
        if isinstance(rule, Alter):
            table = self.mechanism(rule.variable)
            if (rule.factor, rule.shift, rule.noise) == (1.0, 0.0, 1.0):
                self.idle.append(f"{rule_words(rule)} changes nothing.")
                return
            table.alter(self.model.schema.position(rule.variable), rule)
            self.names.append(rule.variable)
        elif isinstance(rule, Cut):
            self.cut(rule)
        elif isinstance(rule, Link):
            table = self.mechanism(rule.target)
            if rule.coefficient == 0:
                self.idle.append(f"{rule_words(rule)} changes nothing.")
                return
            table.link(rule)
            edge = Edge(rule.source, rule.target, rule.lag)
            self.graph = _with(self.graph, edge)
            self.edges.append(f"{edge} (new)")
            self.names.append(rule.target)
        elif isinstance(rule, Replace):
            self.mechanism(rule.variable)
            own = rule.by if isinstance(rule.by, Rules | Feedback) else Rules(otherwise=rule.by)
            self.done.append(Follow(rule.variable, own))
            self.names.append(rule.variable)
        elif isinstance(rule, Swap):
            self.done.append(Follow(rule.context, Rules(otherwise=rule.value)))
        elif isinstance(rule, Follow):
            self.done.append(rule)

    def cut(self, rule: Cut) -> None:
        """An edge less, where there is one."""
        lags = self.mechanism(rule.target).cut(rule)
        pair = (rule.source, rule.target)
        gone = [e for e in self.graph.edges() if (e.source, e.target) == pair and e.lag in lags]
        if not lags:
            self.idle.append(f"{rule_words(rule)} changes nothing: there is no such edge.")
            return
        self.graph = replace(
            self.graph, links=tuple(e for e in self.graph.edges() if e not in gone)
        )
        self.edges += [str(e) for e in gone] or [rule_words(rule)]
        self.names.append(rule.target)
        self.notes.append(_held(self.model, rule))

    def mechanism(self, name: str) -> "_Table":
        """The table of a variable; raises ``QueryError`` for one without a mechanism."""
        at = self.model.schema.position(name)
        for table in self.tables:
            if at in table.targets:
                return table
        names = self.model.schema.names
        known = ", ".join(names[t] for table in self.tables for t in table.targets)
        raise QueryError(
            f"{name!r} has no mechanism: it is a {self.model.schema[name].role.value}. Change one "
            f"of {known}, or intervene on {name!r}."
        )


def _check(model: WorldModel, rules: Sequence[Rule]) -> None:
    """Raises for names that do not exist and changes that contradict each other."""
    schema, seen = model.schema, {}
    for rule in rules:
        for part in ("variable", "source", "target", "context"):
            if hasattr(rule, part):
                schema.position(getattr(rule, part))
        if isinstance(rule, Swap) and schema[rule.context].role != "context":
            contexts = ", ".join(schema.of(Role.CONTEXT))
            fix = f"Swap one of {contexts}, or use" if contexts else "The model has none: use"
            role = schema[rule.context].role.value
            raise QueryError(f"{rule.context!r} is no context but a {role}. {fix} Set or Replace.")
        key = {
            Turn: lambda r: r.constant,
            Alter: lambda r: ("mechanism", r.variable),
            Replace: lambda r: ("mechanism", r.variable),
            Cut: lambda r: ("edge", r.source, r.target, r.lag),
            Link: lambda r: ("edge", r.source, r.target, r.lag),
            Swap: lambda r: ("value", r.context),
            Follow: lambda r: ("value", r.variable),
        }[type(rule)](rule)
        if seen.setdefault(key, rule) != rule:
            raise QueryError(
                f"two rules contradict each other: {rule_words(seen[key])}, and "
                f"{rule_words(rule)}. Keep one."
            )


def _turn(model: WorldModel, turns: Sequence[Turn]) -> WorldModel:
    for turn in turns:
        if (turn.factor is None) == (turn.value is None):
            raise QueryError(
                f"the constant {turn.constant!r} needs a factor or a value. Give one of the two."
            )
    if not turns:
        return model
    return turned(
        model,
        factor={t.constant: t.factor for t in turns if t.factor is not None},
        value={t.constant: t.value for t in turns if t.value is not None},
    )


def _with(graph: CausalGraph, edge: Edge) -> CausalGraph:
    kept = [
        e
        for e in graph.edges()
        if (e.source, e.target, e.lag) != (edge.source, edge.target, edge.lag)
    ]
    return replace(graph, links=(*kept, edge))


def _held(model: WorldModel, rule: Cut) -> str:
    at = model.schema.position(rule.source)
    value = model.typical[at] if rule.hold is None else model.schema[rule.source].code(rule.hold)
    label = model.schema.variables[at].label(float(value))
    shown = f"{label:g}" if isinstance(label, float) else label
    whose = "typical of the log" if rule.hold is None else "as asked"
    return f"In the mechanism of {rule.target}, {rule.source} is held at {shown}, {whose}."


class _Table:
    """The changes of one bank while they are collected, in scaled units."""

    def __init__(self, model: WorldModel, bank: AbstractBank) -> None:
        self.model, self.own = model, bank
        self.targets = np.asarray(bank.targets)[0].tolist()
        self.mask, self.columns = np.array(bank.mask), np.array(bank.columns)
        self.residual = np.array(bank.residual)
        members, n = self.residual.shape
        self.fill = np.zeros(self.mask.shape)
        self.still, self.off = np.zeros((members, n)), np.zeros((members, n))
        self.factor, self.noise = np.ones((members, n)), np.ones((members, n))
        self.shift = np.zeros((members, n))
        self.links: list[tuple[int, int, float]] = []
        self.touched = False

    def _numeric(self, name: str, what: str) -> None:
        if not isinstance(self.own, InvertibleBank):
            raise QueryError(
                f"{name!r} has levels, and {what} needs a number. Use Replace, or Cut an edge."
            )

    def alter(self, target: int, rule: Alter) -> None:
        self._numeric(rule.variable, "scaling its mechanism")
        if rule.factor == 0 or not np.isfinite([rule.factor, rule.shift, rule.noise]).all():
            raise QueryError(
                f"the mechanism of {rule.variable!r} cannot be scaled by {rule.factor:g}. Use "
                "Replace to make it a constant, or give finite numbers other than 0."
            )
        i, model = self.targets.index(target), self.model
        center, scale = model.center[target], model.scale[target]
        self.factor[:, i], self.noise[:, i] = rule.factor, rule.noise
        self.shift[:, i] += (rule.factor * center + rule.shift - center) / scale
        self.touched = True

    def cut(self, rule: Cut) -> set[int]:
        """Cuts the edge off and returns the lags that it had."""
        schema, model = self.model.schema, self.model
        source, i = schema.position(rule.source), self.targets.index(schema.position(rule.target))
        coding = model.dynamics.coding
        variable, level = np.asarray(coding.variable), np.asarray(coding.level)
        value = model.typical[source] if rule.hold is None else schema[rule.source].code(rule.hold)
        scaled = (value - model.center[source]) / model.scale[source]
        lag, feature = np.divmod(self.columns[:, i], len(variable))
        hit = (variable[feature] == source) & (self.mask[:, i] > 0)
        hit &= True if rule.lag is None else lag == rule.lag
        coded = level[feature]
        held = np.where(coded >= 0, coded == value, scaled)
        self.fill[:, i] = np.where(hit, held, self.fill[:, i])
        self.mask[:, i] = np.where(hit, 0.0, self.mask[:, i])
        lags = set(lag[hit].tolist())
        own = (source == self.targets[i]) and rule.lag in (None, 1)
        if own and (self.residual[:, i] > 0).any():
            self.still[:, i], self.off[:, i] = scaled, self.residual[:, i] > 0
            self.residual[:, i] = 0.0
            lags.add(1)
        self.touched |= bool(lags)
        return lags

    def link(self, rule: Link) -> None:
        self._numeric(rule.target, "a coefficient")
        schema, model = self.model.schema, self.model
        source, target = schema.position(rule.source), schema.position(rule.target)
        columns = model.dynamics.coding.columns(source, rule.lag)
        if len(columns) > 1:
            raise QueryError(
                f"{rule.source!r} is categorical, and a coefficient needs a number. Use Replace "
                "with cases of its levels."
            )
        order = np.asarray(model.dynamics.order)
        if rule.lag > model.dynamics.max_lag:
            raise QueryError(
                f"the edge of {rule.source!r} has lag {rule.lag}, and the model looks back "
                f"{model.dynamics.max_lag} rows. Give a smaller lag."
            )
        if rule.lag == 0 and order[source] >= order[target]:
            raise QueryError(
                f"{rule.source!r} comes after {rule.target!r} within a row, so no edge can lead "
                "back at lag 0. Give a lag of 1, or learn with a graph that has the edge."
            )
        unit = model.scale[target]
        self.links.append((target, columns[0], rule.coefficient * model.scale[source] / unit))
        self.shift[:, self.targets.index(target)] += rule.coefficient * model.center[source] / unit
        self.touched = True

    def bank(self) -> AbstractBank:
        """The bank with its changes; itself where there are none."""
        if not self.touched:
            return self.own
        leaves = {
            "columns": self.columns.astype(np.int32),
            "mask": self.mask.astype(np.float32),
            "residual": self.residual,
            "fill": self.fill,
        }
        if isinstance(self.own, StochasticBank):
            return _stacked(AlteredLevels, self.own, leaves)
        members, n = self.residual.shape
        columns = np.zeros((members, n, len(self.links)), np.int32)
        weight, heard = np.zeros(columns.shape), np.zeros(columns.shape)
        for e, (target, column, w) in enumerate(self.links):
            i = self.targets.index(target)
            columns[:, i, e], weight[:, i, e], heard[:, i, e] = column, w, 1.0
        leaves |= {
            "columns": np.concatenate([leaves["columns"], columns], -1),
            "mask": np.concatenate([self.mask, heard], -1),
            "still": self.still,
            "cut": self.off,
            "weight": weight,
            "factor": self.factor,
            "shift": self.shift,
            "noise": self.noise,
        }
        return _stacked(AlteredBank, self.own, leaves)


def _stacked(family, inner: AbstractBank, leaves: dict[str, np.ndarray]) -> AbstractBank:
    """The altered bank with a leading member axis, from leaves that have one."""
    each = []
    for m in range(len(leaves["mask"])):
        own = jax.tree.map(lambda leaf, m=m: leaf[m], inner)
        arrays = {n: _exact(a[m]) for n, a in leaves.items()}
        each.append(family(inner=own, targets=own.targets, **arrays))
    return jax.tree.map(lambda *a: jnp.stack(a), *each)


def _exact(array: np.ndarray) -> Array:
    """Whole numbers as they are, others in single precision."""
    whole = np.issubdtype(array.dtype, np.integer)
    return jnp.asarray(array, jnp.int32 if whole else jnp.float32)
