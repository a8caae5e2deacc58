"""A model in words."""

import worlds_by_hand as by_hand
from doworld.cli.describe import summary, words_of
from doworld.graph import Reason, Unidentified


def test_what_the_log_cannot_tell_is_said_once_and_apart(capsys):
    from rich.console import Console

    fact = Unidentified("Q", Reason.DETERMINED, "Q follows T.", ("T",))
    model = by_hand.heater(unidentified=(fact,), notes=("Q follows T.", "two lags"))
    Console(width=60).print(words_of(model))
    shown = capsys.readouterr().out
    assert shown.count("Q follows T.") == 1
    assert "! Q follows T." in shown
    assert "• two lags" in shown
    (row,) = summary(model)["graph"]["unidentified"]
    assert (row["variable"], row["reason"], row["others"]) == ("Q", "determined", ["T"])
