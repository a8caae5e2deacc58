"""Linear programs: they hold the truth of random models, and are as narrow as they can be."""

import numpy as np
import pytest

from doworld._core.errors import GraphError, QueryError, UnknownNameError
from doworld.infer.bounding import (
    Counts,
    Decision,
    Diagram,
    Experiment,
    Expression,
    Outcome,
    Potential,
    Term,
    balke_pearl,
    contrast,
    expectation,
    linear_program,
    manski,
    tian_pearl,
)
from hidden_models import HiddenModel

BOW = Diagram(("X", "Y"), (("X", "Y"),), (("X", "Y"),))
IV = Diagram(("Z", "X", "Y"), (("Z", "X"), ("X", "Y")), (("X", "Y"),))
FRONT = Diagram(("X", "M", "Y"), (("X", "M"), ("M", "Y")), (("X", "Y"),))
BACK = Diagram(("Z", "X", "Y"), (("Z", "X"), ("Z", "Y"), ("X", "Y")))
MEDIATED = Diagram(("X", "M", "Y"), (("X", "M"), ("X", "Y"), ("M", "Y")), (("M", "Y"),))
NAPKIN = Diagram(
    ("W", "Z", "X", "Y"), (("W", "Z"), ("Z", "X"), ("X", "Y")), (("W", "X"), ("W", "Y"))
)
STAGES = Diagram(
    ("A", "L", "B", "Y"),
    (("A", "L"), ("A", "B"), ("L", "B"), ("A", "Y"), ("L", "Y"), ("B", "Y")),
    (("L", "Y"), ("A", "Y"), ("B", "Y")),
)
ATE = contrast("Y", {"X": 1}, {"X": 0}, (0.0, 1.0))
Y1, Y0 = Outcome(Potential("Y", {"X": 1}), 1), Outcome(Potential("Y", {"X": 0}), 0)
PNS = Expression((Term(1.0, (Y1, Y0)),))
ETT = contrast("Y", {"X": 1}, {"X": 0}, (0.0, 1.0), given=(Outcome(Potential("X"), 1),))
NDE = contrast("Y", {"X": 1, "M": Potential("M", {"X": 0})}, {"X": 0}, (0.0, 1.0))
NIE = contrast("Y", {"X": 0, "M": Potential("M", {"X": 1})}, {"X": 0}, (0.0, 1.0))
RULE = Decision(("A", "L"), {(a, v): v for a in (0, 1) for v in (0, 1)})
PLAN = contrast("Y", {"A": 1, "B": RULE}, {"A": 0, "B": 0}, (0.0, 1.0))
CASES = {
    "bow ate": (BOW, ATE),
    "bow pns": (BOW, PNS),
    "bow ett": (BOW, ETT),
    "iv ate": (IV, ATE),
    "iv pns": (IV, PNS),
    "iv ett": (IV, ETT),
    "mediated nde": (MEDIATED, NDE),
    "mediated nie": (MEDIATED, NIE),
    "front pns": (FRONT, PNS),
    "napkin pns": (NAPKIN, PNS),
    "two stages": (STAGES, PLAN),
}


def _model(diagram, seed, sizes=3, levels=2):
    few = 2 if len(diagram.names) > 3 else sizes
    return HiddenModel(diagram, dict.fromkeys(diagram.names, levels), seed=seed, sizes=few)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_the_truth(case, seed):
    diagram, asked = CASES[case]
    model = _model(diagram, seed)
    truth = model.truth(asked)
    if np.isnan(truth):
        pytest.skip("nobody has the evidence")
    bound = linear_program(model.counts(), diagram, asked)
    assert bound.lower - 1e-6 <= truth <= bound.upper + 1e-6
    assert bound.low <= bound.lower <= bound.upper <= bound.high
    assert not bound.refuted


@pytest.mark.parametrize(("diagram", "asked"), [(BACK, ATE), (FRONT, ATE), (BACK, ETT)])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_identified_is_a_point(diagram, asked, seed):
    rng = np.random.default_rng(seed)
    model = _model(diagram, seed)
    for name in diagram.names:  # every level everywhere, so that nothing is left open
        model.tables[name][..., 0], model.tables[name][..., 1] = 0, 1
    model.chance = [rng.dirichlet(np.full(len(c), 5.0)) for c in model.chance]
    model.weights = [
        float(np.prod([c[k] for c, k in zip(model.chance, u, strict=True)])) for u in model.units
    ]
    bound = linear_program(model.counts(), diagram, asked)
    assert bound.width < 1e-5
    assert bound.lower == pytest.approx(model.truth(asked), abs=1e-5)


@pytest.mark.parametrize("seed", [s for s in range(18) if s != 15])  # 15: Z never varies
def test_programs_equal_the_closed_forms(seed):
    model = _model(IV, seed, sizes=4)
    counts = model.counts()
    closed = balke_pearl(counts, "Z", "X", "Y")
    program = linear_program(counts, IV, ATE)
    assert (closed.lower, closed.upper) == pytest.approx((program.lower, program.upper), abs=1e-6)
    two = counts.marginal(("X", "Y"))
    for rising in (False, True):
        monotone = (("X", "Y"),) if rising else ()
        program = linear_program(two, BOW, ATE, rising=monotone)
        closed = manski(two, "X", "Y", rising_response=rising)
        assert (closed.lower, closed.upper) == pytest.approx(
            (program.lower, program.upper), abs=1e-6
        )


@pytest.mark.parametrize("seed", range(12))
def test_probabilities_of_causation_equal_the_program(seed):
    model = _model(BOW, seed, sizes=4)
    log = model.counts()
    arms = [model.counts(("Y",), {"X": x}) for x in (0, 1)]
    trial = Counts(("X", "Y"), np.stack([a.table for a in arms]))
    trials = [Experiment({"X": x}, a) for x, a in enumerate(arms)]
    facts = {v: (Outcome(Potential("X"), v), Outcome(Potential("Y"), v)) for v in (0, 1)}
    asked = {
        "pn": Expression((Term(1.0, (Y0,)),), facts[1]),
        "ps": Expression((Term(1.0, (Y1,)),), facts[0]),
        "pns": PNS,
    }
    for both in (False, True):
        found = tian_pearl(log, "X", "Y", trial=trial if both else None)
        for name, expression in asked.items():
            truth = model.truth(expression)
            if np.isnan(truth):
                continue
            program = linear_program(log, BOW, expression, experiments=trials if both else ())
            bound = getattr(found, name)
            ends = (bound.lower, bound.upper)
            assert ends == pytest.approx((program.lower, program.upper), abs=1e-5)
            assert bound.lower - 1e-6 <= truth <= bound.upper + 1e-6


def test_monotone_causes_make_causation_a_point():
    log = Counts(("X", "Y"), np.array([[70.0, 30], [20, 80]]))
    found = tian_pearl(log, "X", "Y", trial=log, rising=True)
    assert found.pns.lower == pytest.approx(0.5)
    assert found.pns.upper == pytest.approx(0.5)
    assert found.pn.lower == pytest.approx(found.pn.upper) == pytest.approx(0.5 / 0.8)
    assert found.ps.lower == pytest.approx(found.ps.upper) == pytest.approx(0.5 / 0.7)


@pytest.mark.parametrize("seed", range(5))
def test_levels_beyond_two(seed):
    model = _model(IV, seed, levels=3)
    asked = contrast("Y", {"X": 2}, {"X": 0}, (0.0, 1.0, 2.0))
    bound = linear_program(model.counts(), IV, asked)
    assert bound.lower - 1e-6 <= model.truth(asked) <= bound.upper + 1e-6
    assert bound.width < 4


def test_the_range_covers_the_bound_as_often_as_it_says():
    model = _model(IV, 3, sizes=4)
    share = model.counts().table / 1e6
    exact = balke_pearl(model.counts(), "Z", "X", "Y")
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        drawn = rng.multinomial(400, share.ravel()).reshape(share.shape).astype(float)
        found = balke_pearl(Counts(IV.names, drawn), "Z", "X", "Y", level=0.9)
        held += found.low <= exact.lower + 1e-9 and exact.upper <= found.high + 1e-9
    assert held >= 88


def test_too_many_types_leave_a_wider_bound_that_still_holds():
    model = _model(IV, 1, sizes=4)
    counts = model.counts()
    narrow = linear_program(counts, IV, PNS)
    wide = linear_program(counts, IV, PNS, most=10)
    assert wide.notes
    assert wide.lower <= narrow.lower + 1e-9
    assert narrow.upper <= wide.upper + 1e-9
    nothing = linear_program(counts, IV, PNS, most=2)
    assert (nothing.lower, nothing.upper) == (0.0, 1.0)
    assert "natural range" in nothing.method


def test_separate_hidden_causes_are_taken_as_one_and_it_says_so():
    bound = linear_program(_model(NAPKIN, 2).counts(), NAPKIN, ATE)
    assert any("as one" in n for n in bound.notes)


def test_products_over_districts_say_that_they_are_relaxed():
    model = _model(FRONT, 2)
    bound = linear_program(model.counts(), FRONT, PNS)
    assert any("product" in n for n in bound.notes)


def test_data_that_no_instrument_can_give_are_refuted():
    table = np.zeros((2, 2, 2))
    table[0, 1, 0], table[1, 1, 1] = 500, 500
    bound = balke_pearl(Counts(("Z", "X", "Y"), table), "Z", "X", "Y")
    assert bound.refuted


def test_renaming_and_reordering_change_nothing():
    model = _model(IV, 5, sizes=4)
    counts = model.counts()
    turned = counts.marginal(("Y", "Z", "X"))
    other = Diagram(("Y", "X", "Z"), IV.directed, IV.hidden)
    a, b = linear_program(counts, IV, ATE), linear_program(turned, other, ATE)
    assert (a.lower, a.upper) == pytest.approx((b.lower, b.upper), abs=1e-7)


def test_more_confidence_is_a_wider_range():
    counts = Counts(("X", "Y"), np.array([[40.0, 10], [20, 30]]))
    a, b = (manski(counts, "X", "Y", level=v) for v in (0.5, 0.99))
    assert b.low <= a.low <= a.lower
    assert a.upper <= a.high <= b.high


def test_selection_and_response_narrow_the_bound():
    counts = Counts(("X", "Y"), np.array([[40.0, 10], [20, 30]]))
    free = manski(counts, "X", "Y")
    chosen = manski(counts, "X", "Y", rising_selection=True)
    both = manski(counts, "X", "Y", rising_selection=True, rising_response=True)
    assert chosen.upper < free.upper
    assert both.lower == 0
    assert both.upper == pytest.approx(0.6 - 0.2)


def test_malformed_questions():
    counts = Counts(("X", "Y"), np.array([[40.0, 10], [20, 30]]))
    with pytest.raises(UnknownNameError, match="'Q'"):
        manski(counts, "Q", "Y")
    with pytest.raises(QueryError, match="levels 0…1"):
        manski(counts, "X", "Y", levels=(0, 5))
    with pytest.raises(QueryError, match="3 values"):
        manski(counts, "X", "Y", values=(0.0, 1.0, 2.0))
    with pytest.raises(QueryError, match="negative"):
        Counts(("X",), np.array([1.0, -1]))
    with pytest.raises(QueryError, match="axes"):
        Counts(("X",), np.ones((2, 2)))
    with pytest.raises(QueryError, match="never varies"):
        balke_pearl(Counts(IV.names, np.stack([np.ones((2, 2)), np.zeros((2, 2))])), *IV.names)
    with pytest.raises(QueryError, match="neither"):
        tian_pearl(None, "X", "Y")
    with pytest.raises(GraphError, match="circle"):
        Diagram(("X", "Y"), (("X", "Y"), ("Y", "X")))
    with pytest.raises(UnknownNameError):
        linear_program(counts, IV, ATE)
    with pytest.raises(QueryError, match="levels"):
        linear_program(counts, BOW, expectation("Y", {"X": 7}, (0.0, 1.0)))
    with pytest.raises(QueryError, match="no direct cause"):
        linear_program(counts, BOW, ATE, rising=[("Y", "X")])


def test_data_that_no_instrument_can_give_are_refuted_among_the_treated_too():
    n = np.zeros((2, 2, 2))
    n[0, 1, 1] = n[1, 1, 0] = 900
    n[0, 0, 0] = n[1, 0, 0] = 100
    iv = Diagram(("Z", "X", "Y"), (("Z", "X"), ("X", "Y")), (("X", "Y"),))
    treated = (Outcome(Potential("X"), 1),)
    asked = contrast("Y", {"X": 1}, {"X": 0}, (0.0, 1.0), given=treated)
    assert linear_program(Counts(iv.names, n), iv, asked).refuted


def test_a_log_and_a_trial_that_contradict_each_other_refute_every_bound():
    log = Counts(("X", "Y"), np.array([[100.0, 0], [0, 900]]))
    trial = Counts(("X", "Y"), np.array([[500.0, 500], [900, 100]]))
    found = tian_pearl(log, "X", "Y", trial=trial)
    assert found.pn.refuted
    assert found.ps.refuted
    assert found.pns.refuted
