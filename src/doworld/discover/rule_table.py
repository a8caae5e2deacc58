"""The rule table: which method, tests and settings a log asks for, and why, row by row.

Of the rows about one question the first whose condition holds is taken; the last one always holds.
Conditions are about ``Facts``, and thresholds are those of the modules that act on them.
"""

from doworld.discover.facts import Facts, Method
from doworld.discover.rules import METHODS, TESTS, Rule, by_method
from doworld.graph import Choice, Question

__all__ = ["RULES", "choices"]

FEW_ROWS = 200
DRIFTS = 0.001
TIED = 0.5
SMALL_ENVIRONMENT = 12
LITTLE_FREE = 0.1


def choices(facts: Facts) -> tuple[Choice, ...]:
    """The rule table applied to a log: one row a question."""
    out = []
    for question in Question:
        rule = next(r for r in RULES if r.question is question and r.holds(facts))
        out.append(rule.apply(facts))
    return tuple(out)


def _always(facts: Facts) -> bool:
    return True


def _levels_only(f: Facts) -> bool:
    return not f.continuous and not f.counts


_SIZE = ("rows", "episodes", "variables", "idle", "complete")
_KINDS = ("continuous", "counts", "binary", "categorical", "levels")

RULES = (
    Rule(
        Question.KINDS,
        _levels_only,
        "every variable by its levels",
        "no variable is a number",
        _KINDS,
    ),
    Rule(
        Question.KINDS,
        lambda f: f.categorical > 0,
        "numbers as they are, levels as indicators",
        "numbers and levels stand side by side",
        _KINDS,
    ),
    Rule(
        Question.KINDS,
        lambda f: f.ties > TIED,
        "numbers as they are, the tied ones with care",
        "a number takes one value in {ties:.0%} of the rows, so that few rows tell its effects",
        (*_KINDS, "ties"),
    ),
    Rule(Question.KINDS, _always, "numbers as they are", "no variable is categorical", _KINDS),
    Rule(
        Question.SIZE,
        lambda f: f.selected and f.variables < f.complete,
        "parents are selected first, then every candidate is tested given them",
        "there are more candidates than the {complete} rows can be asked about all at once",
        _SIZE,
    ),
    Rule(
        Question.SIZE,
        lambda f: f.variables >= f.complete,
        "at most a few causes of each variable, and weak edges will be missed",
        "there are {variables} variables on {complete} usable rows",
        _SIZE,
    ),
    Rule(
        Question.SIZE,
        lambda f: f.complete < FEW_ROWS,
        "all rows, and weak edges will be missed",
        "{complete} usable rows see strong relations only",
        _SIZE,
    ),
    Rule(
        Question.SIZE,
        _always,
        "all rows",
        "{complete} usable rows are enough for {variables} variables",
        _SIZE,
    ),
    Rule(
        Question.MISSING,
        lambda f: f.missing == 0,
        "nothing to do",
        "no value is missing",
        ("missing",),
    ),
    Rule(
        Question.MISSING,
        lambda f: f.testwise,
        "each test uses the rows that are complete in its own variables",
        "{missing:.1%} of the values are missing, and few rows are complete in all variables",
        ("missing", "complete"),
    ),
    Rule(
        Question.MISSING,
        _always,
        "rows with a missing value are left out",
        "{missing:.1%} of the values are missing, and {complete} rows are complete",
        ("missing", "complete"),
    ),
    Rule(
        Question.LINEARITY,
        lambda f: f.method in (Method.LEVERS, Method.COUNTS),
        "no form is assumed",
        "levels are counted",
        (),
    ),
    Rule(
        Question.LINEARITY,
        lambda f: f.method in (Method.INDEPENDENCE, Method.GIVEN),
        "no form but that of the method",
        "it was given",
        (),
    ),
    Rule(
        Question.LINEARITY,
        lambda f: f.method is Method.SMOOTH and not f.asked,
        "smooth answers with additive noise",
        "lines leave clear bends between the variables",
        (),
    ),
    Rule(
        Question.LINEARITY,
        lambda f: f.method is Method.SMOOTH,
        "smooth answers with additive noise",
        "that was asked",
        (),
    ),
    Rule(
        Question.LINEARITY,
        lambda f: f.static and f.bends is False,
        "straight answers",
        "lines leave no clear bends between the variables",
        (),
    ),
    Rule(
        Question.LINEARITY,
        lambda f: f.static,
        "straight answers",
        "bends were not looked for, and relations without a linear trend are not seen",
        (),
    ),
    Rule(
        Question.LINEARITY,
        lambda f: f.bent == 0,
        "straight answers",
        "bent ones predict no held-out row better",
        ("bent", "targets"),
    ),
    Rule(
        Question.LINEARITY,
        _always,
        "bent answers where they predict held-out rows better",
        "{bent} of {targets} targets ask for them",
        ("bent", "targets"),
    ),
    Rule(
        Question.NOISE,
        lambda f: f.exact > 0,
        "targets without noise are explained by held-out loss, and take no part within a row",
        "{exact} targets follow exactly from the past; where causes follow from each other too, "
        "none of them can be told from the others (faithfulness fails)",
        ("noise", "exact"),
    ),
    Rule(
        Question.NOISE,
        lambda f: f.noise == f.noise,
        "ordinary tests",
        "the models leave {noise:.0%} of a typical target's changes unexplained",
        ("noise", "exact"),
    ),
    Rule(Question.NOISE, _always, "ordinary tests", "noise was not measured apart", ()),
    Rule(
        Question.STATIONARITY,
        lambda f: f.static,
        "rows in any order",
        "the rows of a table are independent units",
        (),
    ),
    Rule(
        Question.STATIONARITY,
        lambda f: f.drift < DRIFTS,
        "one graph for the whole log, and a warning",
        "{drifting} behaves otherwise in the second half of the log than in the first",
        ("drift",),
    ),
    Rule(
        Question.STATIONARITY,
        _always,
        "one graph for the whole log",
        "its two halves leave the same errors",
        ("drift",),
    ),
    Rule(
        Question.ENVIRONMENTS,
        lambda f: f.environments == 1,
        "nothing is compared",
        "all episodes are from one environment",
        ("environments", "smallest"),
    ),
    Rule(
        Question.ENVIRONMENTS,
        lambda f: f.static and not f.compared,
        "rows of all environments as of one",
        "the method does not compare them, or too few are left that can be compared",
        ("environments", "smallest"),
    ),
    Rule(
        Question.ENVIRONMENTS,
        lambda f: f.static and f.method is not Method.SHARED,
        "the environment is a context that may act on every variable",
        "{environments} environments, and variables with levels",
        ("environments", "smallest"),
    ),
    Rule(
        Question.ENVIRONMENTS,
        lambda f: f.static and f.smallest < SMALL_ENVIRONMENT,
        "the graph along which few mechanisms differ between environments, the small ones left out",
        "{environments} environments may change mechanisms, but the smallest has {smallest} rows",
        ("environments", "smallest"),
    ),
    Rule(
        Question.ENVIRONMENTS,
        lambda f: f.static,
        "the graph along which few mechanisms differ between environments",
        "{environments} environments may change mechanisms one by one",
        ("environments", "smallest"),
    ),
    Rule(
        Question.ENVIRONMENTS,
        lambda f: f.smallest < SMALL_ENVIRONMENT,
        "environments direct open edges, the small ones left out",
        "{environments} environments may change mechanisms, but the smallest has {smallest} rows",
        ("environments", "smallest"),
    ),
    Rule(
        Question.ENVIRONMENTS,
        _always,
        "environments direct open edges",
        "{environments} environments may change mechanisms one by one",
        ("environments", "smallest"),
    ),
    Rule(
        Question.ACTIONS,
        lambda f: f.actions == 0,
        "no actions",
        "the log has no action that varies",
        ("actions",),
    ),
    Rule(
        Question.ACTIONS,
        lambda f: f.randomised,
        "nothing acts on actions",
        "they were randomised",
        ("actions",),
    ),
    Rule(
        Question.ACTIONS,
        lambda f: f.free < LITTLE_FREE,
        "actions as causes, marked as hardly told from the state",
        "the state predicts all but {free:.1%} of one action's variance",
        ("actions", "free"),
    ),
    Rule(
        Question.ACTIONS,
        _always,
        "actions as causes, and the policy that chose them as edges into them",
        "the state leaves at least {free:.0%} of each action's variance free",
        ("actions", "free"),
    ),
    *by_method(Question.METHOD, METHODS, ("variables", "actions", "levels")),
    Rule(
        Question.METHOD,
        _always,
        "every source and lag is tested given all the others",
        "the log goes over time, and causes come before their effects",
        ("variables", "lags"),
    ),
    Rule(Question.LAGS, lambda f: f.static, "within the row only", "there is no time", ()),
    Rule(
        Question.LAGS,
        lambda f: f.method is Method.LEVERS,
        "up to {back} back and within the row",
        "levers tell the order within the row",
        ("lags",),
    ),
    Rule(
        Question.LAGS,
        lambda f: not f.lags_chosen and f.within,
        "up to {back} back and within the row",
        "that was asked, and the past leaves states correlated (up to {leftover:.2f})",
        ("lags", "leftover"),
    ),
    Rule(
        Question.LAGS,
        lambda f: not f.lags_chosen,
        "up to {back} back",
        "that was asked",
        ("lags", "leftover"),
    ),
    Rule(
        Question.LAGS,
        lambda f: f.within,
        "up to {back} back and within the row",
        "more predict nothing better, and the past leaves states correlated (up to {leftover:.2f})",
        ("lags", "leftover"),
    ),
    Rule(
        Question.LAGS,
        lambda f: f.leftover != f.leftover,
        "up to {back} back, none within the row",
        "more predict nothing better one step ahead, and edges within the row were not looked for",
        ("lags",),
    ),
    Rule(
        Question.LAGS,
        _always,
        "up to {back} back, none within the row",
        "more predict nothing better one step ahead, and the past leaves states uncorrelated",
        ("lags", "leftover"),
    ),
    *by_method(Question.TESTS, TESTS, ("levels",)),
    Rule(
        Question.TESTS,
        lambda f: f.bent > 0,
        "partial correlation, and held-out loss for bent answers",
        "{bent} of {targets} targets bend",
        ("bent", "targets"),
    ),
    Rule(
        Question.TESTS,
        _always,
        "partial correlation with errors robust to unequal noise",
        "straight answers predict as well as any",
        ("bent", "targets"),
    ),
    Rule(
        Question.MULTIPLICITY,
        lambda f: f.chances > 0,
        "Benjamini–Hochberg at {fdr:g} over {tests} tests, weighed by what was called likely",
        "{chances} edges have a prior probability",
        ("tests", "skipped", "cut", "chances"),
    ),
    Rule(
        Question.MULTIPLICITY,
        lambda f: f.skipped > 0,
        "Benjamini–Hochberg at {fdr:g} over {tests} tests, {skipped} more skipped",
        "prior knowledge rules those out",
        ("tests", "skipped", "cut"),
    ),
    Rule(
        Question.MULTIPLICITY,
        _always,
        "Benjamini–Hochberg at {fdr:g} over {tests} tests",
        "so many edges were possible",
        ("tests", "cut"),
    ),
)
