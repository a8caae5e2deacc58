"""The stories on which definitions of actual causation are tried, with their published verdicts.

Verdicts are those of the modified Halpern–Pearl definition: J. Y. Halpern, "A modification of the
Halpern–Pearl definition of causality", IJCAI 2015, and "Actual causality", MIT Press 2016. Each
story names where it is from. A verdict says of a set of events whether it is a cause: a set that
is too large (AC3) or too small is none, even where it is a part of one or holds one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from doworld.model.finite import FiniteModel, Rule

__all__ = ["STORIES", "Story", "Verdict"]

TRUTH = (0, 1)


@dataclass(frozen=True)
class Verdict:
    """Whether ``events`` caused ``outcome`` in a story."""

    events: Mapping[str, Any]
    outcome: Mapping[str, Any]
    cause: bool


@dataclass(frozen=True, eq=False)
class Story:
    """A model, what happened, and what was published about it.

    Attributes:
        name, told: in words.
        model, context: the situation.
        verdicts: of sets of events.
        source: where the story and its verdicts stand.
    """

    name: str
    told: str
    model: FiniteModel
    context: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    source: str

    @property
    def outcomes(self) -> tuple[dict[str, Any], ...]:
        """The outcomes that verdicts are about, each once."""
        out: list[dict[str, Any]] = []
        for verdict in self.verdicts:
            if dict(verdict.outcome) not in out:
                out.append(dict(verdict.outcome))
        return tuple(out)


def _says(outcome: dict[str, Any], yes: list[dict], no: list[dict]) -> tuple[Verdict, ...]:
    made = [Verdict(e, outcome, True) for e in yes]
    return (*made, *(Verdict(e, outcome, False) for e in no))


def _binary(*names: str) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(names, TRUTH)


def _fire(both: bool) -> FiniteModel:
    rule = (lambda L, MD: L & MD) if both else (lambda L, MD: L | MD)
    return FiniteModel(_binary("L", "MD", "FF"), {"FF": rule})


def _forest_fires() -> list[Story]:
    fire, source = {"FF": 1}, "Halpern & Pearl 2005; Halpern 2015"
    one, two, both = {"L": 1}, {"MD": 1}, {"L": 1, "MD": 1}
    return [
        Story(
            "forest fire, disjunctive",
            "Lightning strikes and an arsonist drops a match; either is enough for the fire.",
            _fire(both=False),
            both,
            _says(fire, [both], [one, two]),
            source,
        ),
        Story(
            "forest fire, conjunctive",
            "Lightning strikes and an arsonist drops a match; both are needed for the fire.",
            _fire(both=True),
            both,
            _says(fire, [one, two], [both]),
            source,
        ),
    ]


def _voting(voters: int, for_it: int) -> Story:
    names = tuple(f"V{i}" for i in range(1, voters + 1))
    need = voters // 2 + 1
    model = FiniteModel(_binary(*names, "W"), {"W": Rule(names, lambda *v: int(sum(v) >= need))})
    cast = {n: int(i < for_it) for i, n in enumerate(names)}
    ayes = names[:for_it]
    enough = for_it - need + 1
    yes = [dict.fromkeys(some, 1) for some in combinations(ayes, enough)][:4]
    no = [dict.fromkeys(ayes[: enough + 1], 1)] if enough < for_it else []
    no += [dict.fromkeys(ayes[: enough - 1], 1)] if enough > 1 else []
    no += [{n: 0} for n in names[for_it:]]
    return Story(
        f"voting, {for_it}–{voters - for_it}",
        f"{for_it} of {voters} vote for the winner; {need} are enough.",
        model,
        cast,
        _says({"W": 1}, yes, no),
        "Halpern & Pearl 2005; Chockler & Halpern 2004; Halpern 2015",
    )


def _throwing() -> Story:
    model = FiniteModel(
        _binary("ST", "BT", "SH", "BH", "BS"),
        {
            "SH": lambda ST: ST,
            "BH": lambda BT, SH: BT & (1 - SH),
            "BS": lambda SH, BH: SH | BH,
        },
    )
    return Story(
        "bottle throwing (late pre-emption)",
        "Suzy and Billy throw rocks at a bottle. Suzy's arrives first; Billy's would have hit.",
        model,
        {"ST": 1, "BT": 1},
        _says({"BS": 1}, [{"ST": 1}, {"SH": 1}], [{"BT": 1}, {"BH": 0}, {"ST": 1, "BT": 1}]),
        "Hall 2004; Halpern & Pearl 2005; Halpern 2015",
    )


def _naive_throwing() -> Story:
    model = FiniteModel(_binary("ST", "BT", "BS"), {"BS": lambda ST, BT: ST | BT})
    return Story(
        "bottle throwing, without the hits",
        "The same, in a model too coarse to tell whose rock it was.",
        model,
        {"ST": 1, "BT": 1},
        _says({"BS": 1}, [{"ST": 1, "BT": 1}], [{"ST": 1}, {"BT": 1}]),
        "Halpern & Pearl 2005; Halpern 2015",
    )


def _backup() -> Story:
    model = FiniteModel(_binary("A", "B", "D"), {"B": lambda A: 1 - A, "D": lambda A, B: A | B})
    return Story(
        "assassin with a backup (early pre-emption)",
        "The trainee shoots; the supervisor would have shot had the trainee not.",
        model,
        {"A": 1},
        _says({"D": 1}, [{"A": 1}], [{"B": 0}]),
        "Hitchcock 2007; Halpern 2016",
    )


def _double_prevention() -> list[Story]:
    told = "Suzy's bomber is about to be shot down by the enemy; Billy shoots the enemy first. "
    simple = FiniteModel(
        _binary("BPT", "EE", "ESS", "SBT", "TD"),
        {
            "EE": lambda BPT: 1 - BPT,
            "ESS": lambda EE: EE,
            "SBT": lambda ESS: 1 - ESS,
            "TD": lambda SBT: SBT,
        },
    )
    hillary = FiniteModel(
        _binary("BPT", "HPT", "ESS", "TD"),
        {
            "HPT": lambda BPT: 1 - BPT,
            "ESS": lambda BPT, HPT: (1 - BPT) & (1 - HPT),
            "TD": lambda ESS: 1 - ESS,
        },
    )
    source = "Hall 2004; Halpern & Pearl 2005"
    return [
        Story(
            "double prevention",
            told + "The target is destroyed.",
            simple,
            {"BPT": 1},
            _says({"TD": 1}, [{"BPT": 1}, {"ESS": 0}, {"SBT": 1}], []),
            source,
        ),
        Story(
            "double prevention with a backup",
            told + "Had he not, Hillary would have.",
            hillary,
            {"BPT": 1},
            _says({"TD": 1}, [{"BPT": 1}], [{"HPT": 0}]),
            source,
        ),
    ]


def _switches() -> list[Story]:
    plain = FiniteModel(_binary("F", "T", "A"), {"T": lambda F: F, "A": Rule(("T",), lambda T: 1)})
    tracks = FiniteModel(
        _binary("F", "LB", "RB", "LT", "RT", "A"),
        {
            "LT": lambda F, LB: (1 - F) & (1 - LB),
            "RT": lambda F, RB: F & (1 - RB),
            "A": lambda LT, RT: LT | RT,
        },
    )
    told = "An engineer flips a switch, so that the train takes the right-hand track; both meet."
    return [
        Story(
            "switch",
            told,
            plain,
            {"F": 1},
            _says({"A": 1}, [], [{"F": 1}, {"T": 1}, {"F": 1, "T": 1}]),
            "Hall 2000; Halpern & Pearl 2005",
        ),
        Story(
            "switch, either track may be blocked",
            told + " Each track has a variable of its own, and is open.",
            tracks,
            {"F": 1, "LB": 0, "RB": 0},
            _says({"A": 1}, [{"F": 1}, {"RT": 1}], [{"LB": 0}]),
            "Halpern & Pearl 2005; Halpern 2016",
        ),
    ]


def _bogus_prevention() -> list[Story]:
    plain = FiniteModel(_binary("A", "B", "VS"), {"VS": lambda A, B: A | B})
    neutral = FiniteModel(
        _binary("A", "B", "PN", "VS"),
        {"PN": lambda A, B: B & (1 - A), "VS": lambda A, PN: A | PN},
    )
    told = "The assassin refrains (A = 1); a bodyguard has put an antidote in the coffee (B = 1)."
    source = "Hiddleston 2005; Hitchcock 2007; Halpern 2015, 2016"
    return [
        Story(
            "bogus prevention",
            told,
            plain,
            {"A": 1, "B": 1},
            _says({"VS": 1}, [{"A": 1, "B": 1}], [{"A": 1}, {"B": 1}]),
            source,
        ),
        Story(
            "bogus prevention, with the neutralising",
            told + " PN says that poison was neutralised.",
            neutral,
            {"A": 1, "B": 1},
            _says({"VS": 1}, [{"A": 1}], [{"B": 1}, {"A": 1, "B": 1}]),
            source,
        ),
    ]


def _careful_poisoning() -> Story:
    model = FiniteModel(_binary("A", "P", "S"), {"P": lambda A: A, "S": lambda A, P: A | (1 - P)})
    return Story(
        "careful poisoning (short circuit)",
        "Given the antidote, a buddy adds a poison that it counters; else there would be none.",
        model,
        {"A": 1},
        _says({"S": 1}, [{"A": 1}], [{"P": 1}]),
        "Weslake 2015; of the structure of Hall's (2007) short circuit; Halpern 2016",
    )


def _boulder() -> Story:
    model = FiniteModel(_binary("F", "D", "S"), {"D": lambda F: F, "S": lambda F, D: (1 - F) | D})
    return Story(
        "boulder",
        "A boulder falls, so the hiker ducks, so the hiker survives.",
        model,
        {"F": 1},
        (
            *_says({"D": 1}, [{"F": 1}], []),
            *_says({"S": 1}, [{"D": 1}], [{"F": 1}, {"F": 1, "D": 1}]),
        ),
        "Hitchcock 2001",
    )


def _desert() -> Story:
    model = FiniteModel(
        _binary("X", "P", "C", "D", "Y"),
        {"C": lambda P, X: P & (1 - X), "D": lambda X: X, "Y": lambda C, D: C | D},
    )
    return Story(
        "desert traveller",
        "One enemy poisons the canteen (P), another shoots it empty (X); the traveller dies of "
        "thirst (D), not of cyanide (C).",
        model,
        {"X": 1, "P": 1},
        _says({"Y": 1}, [{"X": 1}, {"D": 1}], [{"P": 1}, {"C": 0}, {"X": 1, "P": 1}]),
        "Pearl 2000, ch. 10; Halpern & Pearl 2005",
    )


def _loader() -> Story:
    model = FiniteModel(_binary("A", "B", "C", "D"), {"D": lambda A, B, C: (A & B) | C})
    return Story(
        "loader",
        "A loads B's gun, B does not shoot, C loads and shoots: the prisoner dies.",
        model,
        {"A": 1, "B": 0, "C": 1},
        _says({"D": 1}, [{"C": 1}], [{"A": 1}, {"B": 0}, {"A": 1, "C": 1}]),
        "Hopkins & Pearl 2003; Halpern 2015",
    )


def _commands() -> list[Story]:
    plain = FiniteModel(_binary("M", "S", "P"), {"P": lambda M, S: M | S})
    orders = (-1, 0, 1)
    rank = FiniteModel(
        dict.fromkeys(("M", "S", "SE", "P"), orders),
        {"SE": lambda M, S: S if M == 0 else 0, "P": lambda M, SE: SE if M == 0 else M},
    )
    told = "A major and a sergeant both order the corporal to advance."
    source = "Schaffer 2000; Halpern & Pearl 2005"
    return [
        Story(
            "command, rank unseen",
            told,
            plain,
            {"M": 1, "S": 1},
            _says({"P": 1}, [{"M": 1, "S": 1}], [{"M": 1}, {"S": 1}]),
            source,
        ),
        Story(
            "command (trumping)",
            told + " A sergeant's order takes effect (SE) only if the major gives none.",
            rank,
            {"M": 1, "S": 1},
            _says({"P": 1}, [{"M": 1}], [{"S": 1}, {"SE": 0}, {"M": 1, "S": 1}]),
            source,
        ),
    ]


def _dog_bite() -> Story:
    model = FiniteModel(
        {"DB": TRUTH, "P": (0, 1, 2), "B": TRUTH},
        {"P": lambda DB: 2 if DB else 1, "B": lambda P: int(P != 0)},
    )
    return Story(
        "dog bite",
        "A dog bites the bomber's right hand; the bomb is set off with the left (P = 2).",
        model,
        {"DB": 1},
        (*_says({"P": 2}, [{"DB": 1}], []), *_says({"B": 1}, [{"P": 2}], [{"DB": 1}])),
        "McDermott 1995; Halpern & Pearl 2005",
    )


def _treatment() -> Story:
    model = FiniteModel(
        {"MT": TRUTH, "TT": TRUTH, "BMC": (0, 1, 2, 3)},
        {
            "TT": lambda MT: 1 - MT,
            "BMC": lambda MT, TT: {(1, 0): 0, (0, 1): 1, (0, 0): 2, (1, 1): 3}[MT, TT],
        },
    )
    alive = FiniteModel(
        {**model.ranges, "alive": TRUTH}, {**model.rules, "alive": lambda BMC: int(BMC != 3)}
    )
    return Story(
        "medical treatment",
        "Treated on Monday, so not on Tuesday; both doses would kill (BMC = 3).",
        alive,
        {"MT": 1},
        (
            *_says({"TT": 0}, [{"MT": 1}], []),
            *_says({"BMC": 0}, [{"MT": 1}, {"TT": 0}], []),
            *_says({"alive": 1}, [{"TT": 0}], [{"MT": 1}]),
        ),
        "Halpern & Pearl 2005; Halpern 2015",
    )


def _pollution(threshold: int) -> Story:
    model = FiniteModel(
        {"A": (0, 60), "B": (0, 40), "D": TRUTH}, {"D": lambda A, B: int(threshold <= A + B)}
    )
    one, two, both = {"A": 60}, {"B": 40}, {"A": 60, "B": 40}
    yes = {100: [one, two], 50: [one], 40: [both]}[threshold]
    return Story(
        f"pollution, {threshold} kg kill",
        "Company A dumps 60 kg of pollutant and company B 40 kg; the fish die.",
        model,
        both,
        _says({"D": 1}, yes, [e for e in (one, two, both) if e not in yes]),
        "Halpern 2016",
    )


STORIES: tuple[Story, ...] = (
    *_forest_fires(),
    _voting(11, 11),
    _voting(11, 6),
    _throwing(),
    _naive_throwing(),
    _backup(),
    *_double_prevention(),
    *_switches(),
    *_bogus_prevention(),
    _careful_poisoning(),
    _boulder(),
    _desert(),
    _loader(),
    *_commands(),
    _dog_bite(),
    _treatment(),
    _pollution(100),
    _pollution(50),
    _pollution(40),
)
"""Every story, in the order of the books."""
