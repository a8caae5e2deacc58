"""Counterfactuals: abduction, action and prediction, of one episode or of many."""

from doworld.infer.counterfactual.single import counterfactual as counterfactual
