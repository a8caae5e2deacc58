"""Numbers for questions: prediction, intervention, counterfactual, evaluation."""

from doworld.infer.counterfactual import counterfactual as counterfactual
from doworld.infer.do import do as do
from doworld.infer.predict import predict as predict
