"""The trap battery: confidently wrong answers, and refusals where there was no trap."""

import argparse
import warnings
from collections import Counter
from dataclasses import dataclass

import doworld as dw
from _table import Row
from _workers import each
from doworld.worlds.traps import Trap, trap_world

WORLDS = 63
"""Of each of eight kinds: 504 with a trap, and as many twins."""


@dataclass(frozen=True)
class _Seen:
    """One answer: its status, and whether its interval or bound holds the truth."""

    kind: Trap
    sprung: bool
    status: str
    holds: bool

    @property
    def wrong(self) -> bool:
        """Confidently wrong: a number, and neither its interval nor its bound holds the truth."""
        return self.status != "not_identified" and not self.holds


def rows(options: argparse.Namespace) -> list[Row]:
    """Two rows: the traps, and their twins."""
    worlds = 6 if options.quick else WORLDS
    cases = [(k, sprung, s) for k in Trap for sprung in (True, False) for s in range(worlds)]
    seen = each(_asked, cases, options.workers)
    traps, twins = ([s for s in seen if s.sprung is sprung] for sprung in (True, False))
    honest = 100 * sum(not s.wrong for s in traps) / len(traps)
    refused = 100 * sum(s.status != "identified" for s in twins) / len(twins)
    sure = [s for s in twins if s.status == "identified"]
    return [
        Row(
            f"Trap battery, {len(traps)} worlds: no confidently wrong answer",
            "≥ 99 %",
            f"{honest:.1f} %",
            honest >= 99,
            {kind.value: _words([s for s in traps if s.kind is kind]) for kind in Trap},
            worlds,
        ),
        Row(
            f"Their {len(twins)} twins without a trap: refused or bounded",
            "≤ 5 %",
            f"{refused:.1f} %",
            refused <= 5,
            {
                **{
                    kind.value: f"{_open(twins, kind)} of {worlds}"
                    for kind in Trap
                    if _open(twins, kind)
                },
                "95 % intervals that hold": f"{100 * sum(s.holds for s in sure) / len(sure):.1f} %",
            },
            worlds,
        ),
    ]


def _asked(kind: Trap, sprung: bool, seed: int) -> _Seen:
    # mechanisms that are linear or polynomial: thousands of networks would take a day
    light = dw.Settings(members=5, structures=2, neural=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dw.DoworldWarning)
        world = trap_world(kind, sprung=sprung, seed=seed)
        model = dw.learn(world.log, settings=light, **world.known)
        answer = dw.ask(model, world.question)
    ends = answer.interval.get(world.target)
    if answer.status == "not_identified" or ends is None:
        return _Seen(world.kind, world.sprung, "not_identified", True)
    # a bound is on the mean, a prediction's interval is of one outcome
    prediction = world.realised == world.realised and answer.status == "identified"
    truth = world.realised if prediction else world.truth
    return _Seen(
        world.kind, world.sprung, answer.status.value, bool(ends[0][-1] <= truth <= ends[1][-1])
    )


def _open(seen: list[_Seen], kind: Trap) -> int:
    return sum(s.kind is kind and s.status != "identified" for s in seen)


def _words(seen: list[_Seen]) -> str:
    count = Counter(s.status for s in seen)
    parts = [f"{n} {status.replace('_', ' ')}" for status, n in sorted(count.items())]
    wrong = sum(s.wrong for s in seen)
    return ", ".join(parts) + (f", {wrong} wrong" if wrong else "")
