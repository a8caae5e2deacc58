"""Numbers for questions: prediction, intervention, counterfactual, evaluation."""

from doworld.infer.counterfactual import counterfactual as counterfactual
from doworld.infer.do import do as do
from doworld.infer.evaluate import evaluate as evaluate
from doworld.infer.predict import predict as predict
from doworld.infer.scores import Evaluation as Evaluation
