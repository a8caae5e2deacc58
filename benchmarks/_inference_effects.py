"""Effects: published numbers on real tables, and coverage on simulated ones."""

import argparse
import warnings

import numpy as np
import polars as pl

import doworld as dw
from _table import Row, data_folder
from _workers import each

NHEFS = ("sex", "race", "age", "education", "smokeintensity", "smokeyrs", "exercise", "active")
NHEFS = (*NHEFS, "wt71")
COLLEGE = ("exper", "black", "south", "married", "smsa")
CPS = ("age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75")
TREATED = {"age": (25.8, 7.2), "educ": (10.3, 2.0), "re74": (2096, 4887), "re75": (1532, 3219)}
"""Published means and standard deviations of the 185 treated (Dehejia and Wahba 1999, table 1)."""
SHARES = {"black": 0.84, "hisp": 0.06, "marr": 0.19, "nodegree": 0.71}


def _log(table) -> dw.Trajectories:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dw.DoworldWarning)
        return dw.Trajectories.from_frame(table, state=list(table.columns))


def _table(name: str):
    import pandas as pd

    return pd.read_stata(data_folder() / "effect-estimation-tables" / name)


def _shown(answer: dw.Answer) -> str:
    if answer.status is dw.Status.NOT_IDENTIFIED:
        return f"not identified: {answer.why.warnings[0]}"
    p = answer.details.points[0]
    return f"{p.estimate:.3f} [{p.lower:.3f}, {p.upper:.3f}]"


def _beside(answer: dw.Answer) -> dict[str, str]:
    return {e.name: f"{e.estimate:.3f}" for e in answer.details.estimators[1:]}


def _nhefs() -> Row:
    """Hernán and Robins, What If: 3.4–3.5 kg, 95 % interval about 2.4–4.5."""
    log = _log(_table("nhefs_complete.dta")[["qsmk", "wt82_71", *NHEFS]])
    query = dw.Effect(treatment="qsmk", outcome="wt82_71", adjust=NHEFS, level=0.95)
    answer = dw.effect_of(log, query)
    value = answer.details.points[0].estimate
    failed = [r.name for r in answer.details.refutations if not r.passed]
    strong = answer.details.sensitivity
    return Row(
        what="NHEFS: quitting smoking → weight [kg]",
        asked="3.4–3.5 ± 1",
        reached=f"{_shown(answer)}; RV {strong.robustness:.1%}; refutations failed: "
        f"{', '.join(failed) or 'none'}",
        passed=2.4 <= value <= 4.5,
        beside=_beside(answer),
        note="published adjustment set",
    )


def _cps() -> Row:
    """The file holds controls only: nobody was treated."""
    table = _table("cps_mixtape.dta").drop(columns="data_id")
    answer = dw.effect_of(_log(table), dw.Effect(treatment="treat", outcome="re78", adjust=CPS))
    return Row(
        what="CPS controls alone: training → earnings",
        asked="flagged: no overlap",
        reached=_shown(answer),
        passed=answer.status is dw.Status.NOT_IDENTIFIED and "no overlap" in _shown(answer),
        note="treat is 0 in all 15,992 rows",
    )


def _cps_joined(seed: int = 0) -> Row:
    """The controls beside 185 rows drawn from the published moments of the treated."""
    import pandas as pd

    controls = _table("cps_mixtape.dta").drop(columns="data_id")
    rng = np.random.default_rng(seed)
    drawn = {n: np.maximum(rng.normal(m, s, 185), 0) for n, (m, s) in TREATED.items()}
    drawn |= {n: rng.random(185) < p for n, p in SHARES.items()}
    treated = pd.DataFrame(drawn).astype(float)
    treated["re78"] = np.maximum(rng.normal(6349, 7867, 185), 0)
    treated["treat"] = 1.0
    table = pd.concat([controls, treated])[["treat", "re78", *CPS]].astype(float)
    answer = dw.effect_of(_log(table), dw.Effect(treatment="treat", outcome="re78", adjust=CPS))
    outside = answer.details.overlap.outside if answer.details else float("nan")
    return Row(
        what="CPS controls beside simulated treated of the published moments (ATE)",
        asked="flagged: no overlap",
        reached=f"{_shown(answer)} ({outside:.0%} outside)",
        passed=answer.status is dw.Status.NOT_IDENTIFIED and "o overlap" in _shown(answer),
        note="the treated rows are simulated: the file has none",
    )


def _college() -> Row:
    """Card's returns to schooling by proximity: 2SLS 0.124, F 15.8 (Cunningham 2021)."""
    table = _table("close_college.dta")
    log = _log(table)
    query = dw.Effect(
        treatment="educ", outcome="lwage", instrument="nearc4", adjust=COLLEGE, levels=(12, 13),
        level=0.95,
    )  # fmt: skip
    answer = dw.effect_of(log, query)
    value = answer.details.points[0].estimate
    return Row(
        what="College proximity: a year of schooling → log wage, by the instrument",
        asked="0.124 ± 0.01 (2SLS as published)",
        reached=f"{_shown(answer)}; {answer.details.method}",
        passed=abs(value - 0.124) <= 0.01,
        beside=_beside(answer),
        note="interval: Anderson–Rubin",
    )


def _coverage(kind: str, tables: int, rows: int) -> Row:
    """90 % intervals over simulated tables with two confounders, one of them bent."""
    inside, values, crude = 0, [], []
    for seed in range(tables):
        rng = np.random.default_rng([seed, 41])
        x, z, e = rng.standard_normal((3, rows))
        logit = 0.8 * x + 0.4 * z**2 - 0.4
        if kind == "dose":
            a = logit + rng.standard_normal(rows)
        else:
            a = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
        if kind == "binary":
            lean = 0.7 * x + 0.5 * z**2 - 0.5
            chance = [1 / (1 + np.exp(-(lean + s))) for s in (0.0, 1.0)]
            y = (rng.random(rows) < np.where(a > 0, chance[1], chance[0])).astype(float)
            big = np.random.default_rng(0).standard_normal((2, 200_000))
            lean = 0.7 * big[0] + 0.5 * big[1] ** 2 - 0.5
            truth = float((1 / (1 + np.exp(-lean - 1)) - 1 / (1 + np.exp(-lean))).mean())
        else:
            y, truth = 1.5 * a + x + z**2 + e, 1.5
        log = _log(pl.DataFrame({"x": x, "z": z, "a": a, "y": y}))
        levels = (0.0, 1.0) if kind == "dose" else None
        answer = dw.effect_of(
            log, dw.Effect(treatment="a", outcome="y", adjust=("x", "z"), levels=levels)
        )
        if not answer.details.points:
            continue
        p = answer.details.points[0]
        inside += p.lower <= truth <= p.upper
        values.append(p.estimate - truth)
        crude.append(
            next(e.estimate for e in answer.details.estimators if e.name == "crude") - truth
        )
    share = inside / max(len(values), 1)
    return Row(
        what=f"90 % intervals, {len(values)} tables of {rows} rows, {kind}",
        asked="cover 86–94 %",
        reached=f"{share:.0%}; bias {np.mean(values):+.3f}",
        passed=0.86 <= share <= 0.94,
        beside={"bias of the crude": f"{np.mean(crude):+.3f}"},
        seeds=tables,
        note=f"{tables - len(values)} refused",
    )


KINDS = ("two levels", "binary", "dose")


def rows(options: argparse.Namespace) -> list[Row]:
    """The published comparisons, then coverage."""
    tables = 20 if options.quick else 200
    return [
        _nhefs(),
        _cps(),
        _cps_joined(),
        _college(),
        *each(_coverage, [(kind, tables, 500) for kind in KINDS], options.workers),
    ]
