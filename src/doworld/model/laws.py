"""The laws of a model, to read and to turn: equations with named constants and their intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import QueryError, UnknownNameError
from doworld.mechanisms import AbstractBank, LawBank, LinearBank
from doworld.mechanisms.terms import Factor, Operation, Term, decoded
from doworld.model.dynamics import Dynamics
from doworld.model.law_words import labels, latex_term, mathematical, number, plain_term
from doworld.model.world import WorldModel

__all__ = ["Constant", "Law", "laws", "turned"]

READABLE = 16
"""Constants of a law that is shown."""

ROUNDING = 1e-7
"""Share of the target's spread that single precision cannot hold."""


@dataclass(frozen=True)
class Constant:
    """One constant of a law.

    Attributes:
        name: unique in the model: the target's name, a dot, c and a number; c0 stands alone.
        value: mean over the members of the most likely graph, in own units.
        interval: where 95 % of its sampling distribution lies, by Student's t over the members;
            NaN for a single member.
        term: what it multiplies, in plain text; empty for c0.
        latex: the same in LaTeX.
        variables: what the term reads.
    """

    name: str
    value: float
    interval: tuple[float, float]
    term: str
    latex: str
    variables: tuple[str, ...]


@dataclass(frozen=True)
class Law:
    """z' = r·z + Σ_k c_k φ_k(pa): one variable's mechanism as an equation.

    Attributes:
        target: the variable.
        increment: whether the law gives the change from the row before (r = 1).
        constants: c_k with their terms φ_k.
        static: whether there are no rows before.
    """

    target: str
    increment: bool
    constants: tuple[Constant, ...]
    static: bool = False

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms in plain text, as the constants come."""
        return tuple(c.term for c in self.constants)

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Every constant's interval by its name."""
        return {c.name: c.interval for c in self.constants}

    @property
    def readable(self) -> bool:
        """Whether it has few enough terms to be read."""
        return len(self.constants) <= READABLE

    def to_dict(self) -> dict:
        """Plain data for JSON; an interval that is not known is null."""
        return {
            "target": self.target,
            "equation": self.equation(intervals=False),
            "latex": self.latex(),
            "constants": [
                {
                    "name": c.name,
                    "value": c.value,
                    "interval": list(c.interval) if np.isfinite(c.interval).all() else None,
                    "term": c.term,
                    "variables": list(c.variables),
                }
                for c in self.constants
            ],
        }

    def equation(self, *, intervals: bool = True) -> str:
        """The law in plain text, with the intervals of its constants or without.

        >>> pull = Constant("v.c1", -9.81, (-9.82, -9.8), "sin(a)", r"\\sin(a)", ("a",))
        >>> Law("v", True, (pull,)).equation()
        "v' = v − 9.81 [9.8, 9.82]·sin(a)"
        """
        left = self.target if self.static else f"{self.target}'"
        parts = [self.target] if self.increment else []
        for constant in self.constants:
            sign = "−" if constant.value < 0 else "+"
            size = number(abs(constant.value))
            if intervals and np.isfinite(constant.interval).all():
                ends = np.array(constant.interval) * (-1.0 if sign == "−" else 1.0)
                size += f" [{number(ends.min())}, {number(ends.max())}]"
            body = f"{size}·{constant.term}" if constant.term else size
            if parts:
                parts += [sign, body]
            else:
                parts.append(body if sign == "+" else f"−{body}")
        return f"{left} = {' '.join(parts) or '0'}"

    def latex(self) -> str:
        r"""The law in LaTeX, without intervals.

        >>> pull = Constant("v.c1", -9.81, (-9.82, -9.8), "sin(a)", r"\sin(a)", ("a",))
        >>> Law("v", True, (pull,)).latex()
        "v' = v - 9.81\\,\\sin(a)"
        """
        name = mathematical(self.target)
        parts = [name] if self.increment else []
        for constant in self.constants:
            sign = "-" if constant.value < 0 else "+"
            size = number(abs(constant.value))
            if "e" in size:
                digits, power = size.split("e")
                size = rf"{digits} \cdot 10^{{{int(power)}}}"
            body = rf"{size}\,{constant.latex}" if constant.latex else size
            if parts:
                parts += [sign, body]
            else:
                parts.append(body if sign == "+" else f"-{body}")
        return f"{name if self.static else name + chr(39)} = {' '.join(parts) or '0'}"


@dataclass(frozen=True, eq=False)
class _Open:
    """A law as the arrays hold it: bank, row in the bank, terms, and constants in own units.

    ``shown`` leaves out terms of a linear mechanism that are nothing but rounding.
    """

    bank: int
    row: int
    terms: list[Term]
    constants: Float[np.ndarray, "members p"]
    shown: Bool[np.ndarray, " p"]


def laws(model: WorldModel) -> tuple[Law, ...]:
    """The laws of a model, in the order of its variables; linear mechanisms are laws too."""
    opened = _opened(model)
    return tuple(_law(model, name, opened[name]) for name in model.schema.names if name in opened)


def turned(
    model: WorldModel,
    *,
    factor: Mapping[str, float] | None = None,
    value: Mapping[str, float] | None = None,
) -> WorldModel:
    """The model in which constants are multiplied by a factor, or set to a value in own units.

    Constants go by their names, ``"theta_dot.c1"`` as ``laws`` gives them. Under ``factor`` every
    member keeps its own constant times the factor; under ``value`` all have the same. Raises
    ``UnknownNameError`` for a constant that no law has and ``QueryError`` where the variable
    follows no law, a number is not finite, or a constant is both scaled and set.
    """
    factor, value = dict(factor or {}), dict(value or {})
    twice = sorted(factor.keys() & value.keys())
    if twice:
        raise QueryError(f"the constant {twice[0]!r} is both scaled and set. Do one of the two.")
    opened = _opened(model)
    banks = list(model.dynamics.banks)
    for name, by in (*factor.items(), *value.items()):
        if not np.isfinite(by):
            raise QueryError(f"the constant {name!r} cannot become {by}. Give a finite number.")
        target, at = _find(model, opened, name)
        law = opened[target]
        law.constants[:, at] = by if name in value else law.constants[:, at] * by
        banks[law.bank] = _with(model, banks[law.bank], law)
    dynamics: Dynamics = eqx.tree_at(lambda d: d.banks, model.dynamics, tuple(banks))
    return replace(model, dynamics=dynamics)


def _names(law: _Open, target: str) -> list[str]:
    """c0 for the constant that stands alone, c1, c2, … for the others."""
    numbers = iter(range(1, len(law.terms) + 1))
    return [f"{target}.c{next(numbers) if term else 0}" for term in law.terms]


def _find(model: WorldModel, opened: dict[str, _Open], name: str) -> tuple[str, int]:
    target = name.rpartition(".")[0]
    if target in opened:
        names = _names(opened[target], target)
        if name in names:
            return target, names.index(name)
        raise UnknownNameError("constant", name, names)
    if target in model.schema.names:
        family = next((f.family for f in model.fits if f.variable == target), "no")
        raise QueryError(
            f"{target!r} follows a {family} mechanism, which has no constants to turn. Turn one of "
            f"{', '.join(opened) or 'no variable'}, or intervene on what acts on {target!r}."
        )
    raise UnknownNameError("constant", name, [n for t, o in opened.items() for n in _names(o, t)])


def _opened(model: WorldModel) -> dict[str, _Open]:
    out = {}
    for b, bank in enumerate(model.dynamics.banks):
        for i, target in enumerate(np.asarray(bank.targets)[0]):
            name = model.schema.names[int(target)]
            if isinstance(bank, LawBank):
                out[name] = _from_law(bank, b, i)
            elif isinstance(bank, LinearBank):
                out[name] = _from_linear(model, bank, b, i)
    return out


def _from_law(bank: LawBank, b: int, i: int) -> _Open:
    arrays = (np.asarray(a)[0, i] for a in (bank.operation, bank.reads, bank.parameter))
    terms = decoded(*arrays)
    constants = np.asarray(bank.constant, np.float64)[:, i]
    # padding: no factor and no constant, behind all others
    count = max([j + 1 for j, t in enumerate(terms) if t or constants[:, j].any()], default=0)
    return _Open(b, i, terms[:count], constants[:, :count].copy(), np.ones(count, bool))


def _from_linear(model: WorldModel, bank: LinearBank, b: int, i: int) -> _Open:
    center, scale, used, own_center, own_scale = _linear_units(model, bank, i)
    weight = np.asarray(bank.weight, np.float64)[:, i][:, used] * own_scale / scale
    bias = np.asarray(bank.bias, np.float64)[:, i] * own_scale
    level = (1.0 - np.asarray(bank.residual, np.float64)[:, i]) * own_center
    alone = bias + level - weight @ center
    terms: list[Term] = [(), *((Factor(int(k), Operation.IDENTITY),) for k in used)]
    constants = np.concatenate([alone[:, None], weight], 1)
    size = np.abs(constants) * np.concatenate([[1.0], scale]) / own_scale
    return _Open(b, i, terms, constants, size.max(0) > ROUNDING)


def _linear_units(model: WorldModel, bank: LinearBank, i: int):
    """Center and scale of the inputs that some member reads, which these are, and the target's."""
    coding = model.dynamics.coding
    variable, level = np.asarray(coding.variable), np.asarray(coding.level)
    used = np.flatnonzero(np.asarray(bank.mask)[:, i].any(0))
    feature = np.asarray(bank.columns)[0, i][used] % len(variable)
    at, number_ = variable[feature], level[feature] < 0
    center = np.where(number_, model.center[at], 0.0)
    scale = np.where(number_, model.scale[at], 1.0)
    target = int(np.asarray(bank.targets)[0, i])
    return center, scale, used, float(model.center[target]), float(model.scale[target])


def _with(model: WorldModel, bank: AbstractBank, law: _Open) -> AbstractBank:
    """The bank with the law's constants."""
    i = law.row
    if isinstance(bank, LawBank):
        new = bank.constant.at[:, i, : law.constants.shape[1]].set(jnp.asarray(law.constants))
        return eqx.tree_at(lambda b: b.constant, bank, new.astype(bank.constant.dtype))
    assert isinstance(bank, LinearBank)
    center, scale, used, own_center, own_scale = _linear_units(model, bank, i)
    alone, weight = law.constants[:, 0], law.constants[:, 1:]
    level = (1.0 - np.asarray(bank.residual, np.float64)[:, i]) * own_center
    bias = (alone - level + weight @ center) / own_scale
    leaves = (
        bank.weight.at[:, i, used].set(jnp.asarray(weight * scale / own_scale, jnp.float32)),
        bank.bias.at[:, i].set(jnp.asarray(bias, jnp.float32)),
    )
    return eqx.tree_at(lambda b: (b.weight, b.bias), bank, leaves)


def _law(model: WorldModel, target: str, law: _Open) -> Law:
    bank = model.dynamics.banks[law.bank]
    coding, columns = model.dynamics.coding, np.asarray(bank.columns)[0, law.row].tolist()
    plain = labels(model.schema, coding, columns, latex=False)
    in_latex = labels(model.schema, coding, columns, latex=True)
    variable = np.asarray(coding.variable)
    sampled = np.array(model.members_of_structure or (False,) * len(law.constants), bool)
    own = law.constants[~sampled] if not sampled.all() else law.constants
    mean, half = own.mean(0), _half_width(own)
    constants = []
    for j, (name, term) in enumerate(zip(_names(law, target), law.terms, strict=True)):
        if not law.shown[j]:
            continue
        read = [int(variable[columns[k] % len(variable)]) for f in term for k in f.inputs]
        constants.append(
            Constant(
                name=name,
                value=float(mean[j]),
                interval=(float(mean[j] - half[j]), float(mean[j] + half[j])),
                term=plain_term(term, plain),
                latex=latex_term(term, in_latex),
                variables=tuple(model.schema.names[v] for v in dict.fromkeys(read)),
            )
        )
    increment = bool(np.asarray(bank.residual)[0, law.row] > 0)
    return Law(target, increment, tuple(constants), model.schema.static)


def _half_width(constants: Float[np.ndarray, "members p"]) -> Float[np.ndarray, " p"]:
    """Half of the 95 % interval: t times the members' standard deviation."""
    from scipy.stats import t

    members = len(constants)
    if members < 2:
        return np.full(constants.shape[1], np.nan)
    return t.ppf(0.975, members - 1) * constants.std(0, ddof=1)
