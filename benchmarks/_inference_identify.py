"""Identification on random graphs: verdicts against oracles, formulas against brute force."""

import argparse
import json
import time
from dataclasses import dataclass

import numpy as np

from _beside import ask_first
from _table import Row
from doworld.graph import MixedGraph
from doworld.identify import Hedge, Identified, NotIdentified, effect_of, given_effect_of
from doworld.infer.estimand import Table, evaluate
from doworld.worlds.latent import LatentWorld, random_mixed_graph

QUERIES = 15_000
CONDITIONAL = 2_000
EXACT = 1e-9
BATCH = 500


@dataclass(frozen=True)
class Question:
    """P(y | do(x)) in a graph of 4 to 8 nodes."""

    graph: MixedGraph
    x: tuple[str, ...]
    y: tuple[str, ...]

    def line(self) -> str:
        return json.dumps(
            {
                "nodes": self.graph.nodes,
                "directed": sorted(self.graph.directed),
                "bidirected": sorted(self.graph.bidirected),
                "x": self.x,
                "y": self.y,
            }
        )


def question(seed: int) -> Question:
    rng = np.random.default_rng([4, seed])
    size = int(rng.integers(4, 9))
    graph = random_mixed_graph(
        size,
        seed=seed,
        directed=float(rng.uniform(0.2, 0.6)),
        bidirected=float(rng.uniform(0.05, 0.35)),
    )
    names = rng.permutation(graph.nodes).tolist()
    one, other = (1, 1) if rng.uniform() < 0.7 else (2, int(rng.integers(1, 3)))
    return Question(graph, tuple(names[:one]), tuple(names[one : one + other]))


def gap(q: Question, verdict: Identified, given: tuple[str, ...], seed: int) -> float:
    """The greatest distance of the formula from the truth, over all levels of all its nodes."""
    world = LatentWorld.random(q.graph, seed=seed)
    found = evaluate(verdict.estimand.expression, Table(q.graph.nodes, world.law()))
    want = (*q.y, *q.x, *given)
    kept = tuple(n for n in q.graph.nodes if n in want)
    out = tuple(i for i, n in enumerate(q.graph.nodes) if n not in want)
    truth = Table(kept, world.law(q.x).sum(out))
    nodes = (*want, *verdict.estimand.arbitrary)
    aligned = truth.aligned(nodes)
    if given:
        aligned = aligned / aligned.sum(tuple(range(len(q.y))), keepdims=True)
    return float(np.abs(found.aligned(nodes) - aligned).max())


def is_hedge(q: Question, hedge: Hedge) -> bool:
    """Two R-rooted C-forests, one within the other, only the outer one with something done."""
    inner, outer = q.graph.subgraph(hedge.inner), q.graph.subgraph(hedge.outer)
    return (
        hedge.inner < hedge.outer
        and len(inner.districts()) == len(outer.districts()) == 1
        and hedge.inner.isdisjoint(q.x)
        and not hedge.outer.isdisjoint(q.x)
        and inner.ancestors(hedge.roots) == hedge.inner
        and outer.ancestors(hedge.roots) == hedge.outer
        and hedge.roots <= q.graph.cut(into=q.x).ancestors(q.y)
    )


def peer_verdicts(
    pythons: list[str], name: str, questions: list[Question]
) -> list[bool | None] | None:
    out: list[bool | None] = []
    for at in range(0, len(questions), BATCH):
        text = "\n".join(q.line() for q in questions[at : at + BATCH])
        said = ask_first(pythons, "_identify_peers.py", [name], [text])
        if said is None or any("absent" in s for s in said):
            return None
        out += [s["said"] for s in said]
    return out


def rows(options: argparse.Namespace) -> list[Row]:
    count = QUERIES // 10 if options.quick else QUERIES
    questions = [question(seed) for seed in range(count)]
    began = time.process_time()
    verdicts = [effect_of(q.graph, q.x, q.y) for q in questions]
    spent = (time.process_time() - began) / count
    known = [isinstance(v, Identified) for v in verdicts]
    return [
        *_peers(options, questions, known),
        _truth(questions, verdicts),
        _hedges(questions, verdicts),
        _conditional(CONDITIONAL // 10 if options.quick else CONDITIONAL),
        _large(options, spent),
    ]


def _peers(options, questions: list[Question], known: list[bool]) -> list[Row]:
    out = []
    for name in ("ananke", "antecedent"):
        what = f"ID on random graphs of 4–8 nodes: verdict beside {name}"
        asked = "≥ 10,000 questions, no disagreement"
        said = peer_verdicts(options.peers, name, questions) if options.peers else None
        if said is None:
            why = "not installed there" if options.peers else "no --peers PYTHON given"
            out.append(Row(what, asked, f"skipped: {why}", passed=False))
            continue
        compared = [(a, b) for a, b in zip(said, known, strict=True) if a is not None]
        wrong = sum(a != b for a, b in compared)
        failed = len(said) - len(compared)
        note = f"{failed} questions with several treatments or outcomes, or that it failed on"
        out.append(
            Row(
                what,
                asked,
                f"{wrong} of {len(compared)} differ; {np.mean(known):.0%} identified",
                passed=wrong == 0 and (len(compared) >= 10_000 or options.quick),
                note=note if failed else "",
            )
        )
    return out


def _truth(questions: list[Question], verdicts: list) -> Row:
    gaps = [
        gap(q, v, (), seed)
        for seed, (q, v) in enumerate(zip(questions, verdicts, strict=True))
        if isinstance(v, Identified)
    ]
    wrong = sum(not g <= EXACT for g in gaps)
    return Row(
        "ID: formulas against brute force in random discrete worlds",
        "equal to 1e-9",
        f"{wrong} of {len(gaps)} differ; greatest gap {max(gaps):.1e}",
        passed=wrong == 0,
    )


def _hedges(questions: list[Question], verdicts: list) -> Row:
    refused = [(q, v) for q, v in zip(questions, verdicts, strict=True) if not known(v)]
    wrong = sum(not is_hedge(q, v.hedge) for q, v in refused)
    return Row(
        "ID: a valid hedge behind every refusal",
        "all",
        f"{len(refused) - wrong} of {len(refused)}",
        passed=wrong == 0,
    )


def known(verdict: Identified | NotIdentified) -> bool:
    return isinstance(verdict, Identified)


def _conditional(count: int) -> Row:
    gaps = []
    for seed in range(count):
        q = question(500_000 + seed)
        left = [n for n in q.graph.nodes if n not in (*q.x, *q.y)]
        if not left:
            continue
        given = (left[seed % len(left)],)
        verdict = given_effect_of(q.graph, q.x, q.y, given)
        if isinstance(verdict, Identified):
            gaps.append(gap(q, verdict, given, seed))
    wrong = sum(not g <= EXACT for g in gaps)
    return Row(
        "IDC: formulas against brute force",
        "equal to 1e-9",
        f"{wrong} of {len(gaps)} identified of {count} differ; greatest gap {max(gaps):.1e}",
        passed=wrong == 0,
    )


def _large(options, small: float) -> Row:
    """The slowest verdict at 100 nodes, over densities."""
    times = []
    for dense in (0.02, 0.05, 0.1, 0.3):
        for both in (0.01, 0.05):
            for seed in range(1 if options.quick else 5):
                graph = random_mixed_graph(100, seed=seed, directed=dense, bidirected=both)
                order = graph.order()
                began = time.process_time()
                effect_of(graph, [order[10]], [order[-1]])
                times.append(time.process_time() - began)
    return Row(
        "ID at 100 nodes: slowest verdict",
        "< 1 s",
        f"{max(times):.2f} s of {len(times)} graphs (median {np.median(times):.2f} s)",
        passed=max(times) < 1,
        note=f"{1000 * small:.2f} ms at 4–8 nodes",
    )
