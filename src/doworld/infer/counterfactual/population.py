"""A counterfactual of many episodes at once: the mean effect over them, each one's on demand."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from doworld.data import Kind, Role
from doworld.infer.compose import why_of
from doworld.infer.counterfactual.additive import Linear, linear_of
from doworld.infer.counterfactual.belongs import check_logged
from doworld.infer.counterfactual.censored import note_of
from doworld.infer.counterfactual.episodes import Episodes, episodes_of
from doworld.infer.counterfactual.population_bounds import opened, widened
from doworld.infer.counterfactual.replay import replay
from doworld.infer.counterfactual.standing import Standing, standing
from doworld.infer.engine import key_of
from doworld.infer.interventions import check_order
from doworld.infer.reach import Reach
from doworld.infer.uncertainty import split
from doworld.model.simulate import bucket
from doworld.model.world import WorldModel
from doworld.query import Answer, Counterfactual, Series, Status, Why
from doworld.query.done import Done, arrays
from doworld.query.words import phrase
from doworld.query.worlds_details import Alternative, Path, Worlds

__all__ = ["altered", "population"]


def population(
    model: WorldModel,
    query: Counterfactual,
    targets: tuple[int, ...],
    reach: Reach,
    *,
    seed: int = 0,
) -> Answer:
    """The mean effect over the episodes of a question, row by row, in every world.

    The mean is over these episodes, so its interval holds what parameters and edges leave open and
    the noise of posterior draws, one a member and episode. Where an effect runs through levels,
    whose noise cannot be recovered, the answer is ``bounded``: ends are the means of the episodes'
    own bounds, the estimate is that of Gumbel-max mechanisms (Oberst & Sontag 2019). ``samples()``
    gives every episode's own values, (members, episodes, rows), NaN after an episode's end.
    """
    from doworld.infer.counterfactual.single import refused_of, singles, stochastic, unsure

    episodes = episodes_of(model, query.episode, targets, reach)
    check_logged(model.schema, targets, episodes.logged)
    every = [arrays(model.schema, done, episodes.count) for done in query.worlds.values()]
    for done in every:
        check_order(model.schema, done, reach)
    if (refused := refused_of(model, query, targets)) is not None:
        return refused
    moved, whole = _worlds(episodes, every, seed)
    stands = [standing(episodes, done, rows) for done, rows in zip(every, whole, strict=True)]
    names = [model.schema.names[t] for t in targets]
    asked = singles(query)
    relevant = reach.ancestors(list(targets))
    drawn = not set(stochastic(model)).isdisjoint(relevant)
    drawn = drawn or bool(episodes.censored[..., relevant].any())
    drawn = drawn or any(done.chance for done in every)
    found_open = opened(
        episodes,
        list(query.worlds.values()),
        moved,
        unsure(model),
        [each.wild for each in stands],
        seed,
    )
    series = [
        widened(_series(episodes, values, query, drawn=drawn), own)
        for values, own in zip(moved, found_open, strict=True)
    ]
    worlds = list(query.worlds)
    words = ["; ".join(phrase(i) for i in each.interventions) for each in asked]
    spoken = [own.words(names) for own in found_open if own is not None]
    labels = worlds if query.alternatives else [""]
    free = [line for n, w in zip(labels, stands, strict=True) for line in w.words(n)]
    said = tuple(dict.fromkeys([*free, *(line for own, _ in spoken for line in own)]))
    warned = tuple(dict.fromkeys(line for _, own in spoken for line in own))
    why = _grounds(episodes, asked, stands, labels)
    summary = f"Mean effect over {episodes.units:,} episodes, had it been otherwise: "
    why = why.model_copy(
        update={
            "summary": summary + (" | ".join(worlds) if query.alternatives else words[0]),
            "adjustment": "Every episode's own noise is recovered and replayed, by member.",
            "assumptions": (*said, *why.assumptions, *_notes(episodes)),
            "warnings": (*why.warnings, *_ended(episodes, query), *warned),
        }
    )
    shown = tuple(
        s.model_copy(update={"support": tuple(np.clip(own, 0, 1).tolist())})
        for s, own in zip(series[0], stands[0].support.T, strict=True)
    )
    answer = Answer(
        query=query,
        status=Status.BOUNDED if spoken else Status.IDENTIFIED,
        level=query.level,
        series=shown,
        why=why,
        step=model.schema.step,
        time_unit=model.schema.time_unit,
        details=Worlds(
            alternatives=tuple(
                Alternative(
                    name=name,
                    done=done,
                    bounded=own is not None,
                    paths=_paths(episodes, s, values),
                )
                for name, done, own, s, values in zip(
                    worlds, words, found_open, series, moved, strict=True
                )
            ),
            units=episodes.units,
        ),
    )
    return answer.with_draws(lambda: {n: moved[0][..., i] for i, n in enumerate(names)})


def altered(
    episodes: Episodes, every: Sequence[Done], seed: int
) -> list[Float[np.ndarray, "members units rows targets"]]:
    """The targets in every world, in the variables' own units."""
    if (linear := linear_for(episodes, every)) is not None:
        values = episodes.values[:, 0]
        return [_laid(episodes, linear.replay(d, episodes.targets, values)) for d in every]
    out, luck = _replayed(episodes, every, seed)
    return [episodes.moved(done, out[:, :, [0, n]], luck) for n, done in enumerate(every, 1)]


def _worlds(
    episodes: Episodes, every: Sequence[Done], seed: int
) -> tuple[
    list[Float[np.ndarray, "members units rows targets"]],
    list[Float[np.ndarray, "units rows variables"]],
]:
    """The targets in every world, and whole rows of every episode, the members taken in turn."""
    model, units = episodes.model, np.arange(episodes.units)
    turn = units % model.dynamics.members
    if (linear := linear_for(episodes, every)) is not None:
        moved, whole = [], []
        for done in every:
            changed = linear.replay(done, episodes.targets, episodes.values[:, 0])
            moved.append(_laid(episodes, changed))
            rows = episodes.values.copy()
            for column, values in changed.items():
                rows[:, 0, column] = values[turn % len(values), units]
            whole.append(rows)
        return moved, whole
    out, luck = _replayed(episodes, every, seed)
    columns = episodes.part(units, range(len(model.schema)))
    moved = [episodes.moved(done, out[:, :, [0, n]], luck) for n, done in enumerate(every, 1)]
    own = out[turn, units][None]
    whole = [columns.moved(done, own[:, :, [0, n]], luck)[0] for n, done in enumerate(every, 1)]
    return moved, whole


def _replayed(
    episodes: Episodes, every: Sequence[Done], seed: int
) -> tuple[
    Float[np.ndarray, "members units worlds steps variables"],
    Float[np.ndarray, "units rows p"] | None,
]:
    """The factual and the altered replays, in scaled units, and what their policies drew by."""
    model = episodes.model
    nothing = arrays(model.schema, (), episodes.count)
    key = jax.random.fold_in(key_of(seed), 2)
    filled = [nothing] * (bucket(len(every) + 1, 2) - len(every) - 1)
    window, worlds = episodes.worlds([nothing, *every, *filled])
    shape = (model.dynamics.members, *episodes.rows.shape)
    rows = np.broadcast_to(episodes.rows, shape)
    followed = worlds.followed
    luck = None if followed is None else episodes.luck(followed.on.shape[-1], seed)
    return replay(model.dynamics, window, rows, worlds, luck=luck, key=key), luck


def linear_for(episodes: Episodes, every: Sequence[Done]) -> Linear | None:
    """The linear mechanisms that alone stand between what is done and the targets; else None."""
    linear = linear_of(episodes.model)
    if linear is None:
        return None
    if episodes.values is not episodes.logged:
        relevant = episodes.reach.ancestors(list(episodes.targets))
        if np.isnan(episodes.logged[..., relevant]).any():
            return None
    values = episodes.values[:, 0]
    fine = all(linear.answers(done, episodes.targets, values) for done in every)
    return linear if fine else None


def _laid(
    episodes: Episodes, changed: dict[int, Float[np.ndarray, "_ units"]]
) -> Float[np.ndarray, "members units 1 targets"]:
    """The targets of a static table, those in ``changed`` with their altered values."""
    targets = list(episodes.targets)
    out = np.empty((episodes.model.dynamics.members, episodes.units, 1, len(targets)))
    out[:, :, 0] = episodes.values[:, 0, targets]
    for n, target in enumerate(targets):
        if target in changed:
            out[:, :, 0, n] = changed[target]
    return out


def _grounds(
    episodes: Episodes,
    asked: Sequence[Counterfactual],
    stands: Sequence[Standing],
    labels: Sequence[str],
) -> Why:
    """What the first world rests on, and what is doubtful in any; support is that of the worst."""
    every = [
        why_of(own.setup, each, own.draws, own.found)
        for own, each in zip(stands, asked, strict=True)
    ]
    worst = int(np.argmin([own.support.min() for own in stands]))
    support = every[worst].support
    far = stands[worst].far
    if far:
        where = f"{labels[worst]}, " if labels[worst] else ""
        support = f"In {where}{far:,} of {episodes.units:,} episodes: {support}"
    doubts = (line for own in stands for line in own.doubts)
    warned = (line for why in every for line in why.warnings)
    assumed = (line for why in every for line in why.assumptions)
    update = {
        "support": support,
        "outside": every[worst].outside,
        "warnings": tuple(dict.fromkeys((*doubts, *warned))),
        "assumptions": tuple(dict.fromkeys(assumed)),
    }
    return every[0].model_copy(update=update)


def _notes(episodes: Episodes) -> list[str]:
    """What had to be assumed about the episodes."""
    relevant = episodes.reach.ancestors(list(episodes.targets))
    states = episodes.model.schema.positions(Role.STATE)
    wanted = [i for i in states if i in relevant]
    gap = np.isnan(episodes.logged) & episodes.inside[..., None]
    holes = int(gap[..., wanted].any((1, 2)).sum())
    out = []
    if holes:
        out.append(
            f"{holes:,} episodes have missing values, taken as the nearest known ones of the "
            "episode or as typical; their noise is that of the filled rows."
        )
    if any(doubt is not None for doubt in episodes.model.doubt):
        out.append(
            "Mechanisms are taken as the lines that were learned: small bends, which a mean over "
            "units mostly evens out, are no part of the interval."
        )
    out += note_of(episodes.model, episodes.censored, relevant)
    if len(set(episodes.lengths.tolist())) > 1:
        out.append("Episodes differ in length: a row's mean is over those that have it.")
    return out


def _ended(episodes: Episodes, query: Counterfactual) -> list[str]:
    """Interventions that come after the end of some episodes."""
    out = []
    for each in (d for done in query.worlds.values() for d in done):
        late = int((episodes.lengths <= max(each.at or (0,))).sum())
        if late:
            out.append(f"{phrase(each)} comes after the end of {late:,} of {episodes.units:,}.")
    return list(dict.fromkeys(out))


def _series(
    episodes: Episodes, values: np.ndarray, query: Counterfactual, *, drawn: bool
) -> tuple[Series, ...]:
    """The mean effect on each target; of categories the shares of their levels."""
    model, out = episodes.model, []
    structural = np.array(model.members_of_structure or (False,) * len(values), bool)
    rows = tuple(range(episodes.count))
    for n, target in enumerate(episodes.targets):
        variable, own = model.schema.variables[target], values[..., n]
        common = {"variable": variable.name, "unit": variable.unit, "rows": rows}
        if variable.kind is Kind.CATEGORICAL:
            share = np.stack([_mean(own == c, episodes) for c in range(variable.levels)], -1)
            out.append(
                Series(
                    **common,
                    estimate=tuple(share.argmax(-1).astype(float).tolist()),
                    probabilities=tuple(map(tuple, share.tolist())),
                    categories=variable.categories,
                )
            )
            continue
        effect = np.where(episodes.inside, own - episodes.values[..., target], 0.0)
        count = episodes.inside.sum(0)
        means = effect.sum(1) / count
        # what draws of one member differ by from the members' mean is their posterior's noise
        odd = effect - effect.mean(0)
        noise = np.sqrt((odd**2).sum(1).mean(0) / count**2 / len(values)) if drawn else 0 * count
        parts = split(means[:, None], structural)
        total = np.sqrt(parts.parameters**2 + parts.structure**2 + noise**2)
        middle = means.mean(0)
        ends = {}
        for name, level in (("", query.level), ("half_", 0.5)):
            half = _normal(level) * total
            ends[f"{name}lower"] = tuple((middle - half).tolist())
            ends[f"{name}upper"] = tuple((middle + half).tolist())
        out.append(
            Series(
                **common,
                **ends,
                estimate=tuple(middle.tolist()),
                noise=tuple(np.asarray(noise, float).tolist()),
                parameters=tuple(parts.parameters.tolist()),
                structure=tuple(parts.structure.tolist()),
            )
        )
    return tuple(out)


def _mean(chosen: np.ndarray, episodes: Episodes) -> np.ndarray:
    """The share by row, over members and the episodes that have the row."""
    weight = episodes.inside / episodes.inside.sum(0)
    return np.einsum("mur,ur->r", chosen, weight) / len(chosen)


def _normal(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def _paths(episodes: Episodes, series: Sequence[Series], values: np.ndarray) -> tuple[Path, ...]:
    out = []
    for n, (each, target) in enumerate(zip(series, episodes.targets, strict=True)):
        spread: dict[str, tuple[float, ...]] = {}
        if not each.categories:
            fact = np.where(episodes.inside, episodes.values[..., target], np.nan)
            own = values[..., n].mean(0) - fact
            low, high = np.nanquantile(own, [0.05, 0.95], axis=0)  # every row is some episode's
            spread = {"spread_low": tuple(low.tolist()), "spread_high": tuple(high.tolist())}
        out.append(
            Path(
                variable=each.variable,
                unit=each.unit,
                rows=each.rows,
                estimate=each.estimate or (),
                lower=each.lower or (),
                upper=each.upper or (),
                effect=() if each.categories else each.estimate or (),
                categories=each.categories,
                **spread,
            )
        )
    return tuple(out)
