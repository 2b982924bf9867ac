"""Bullish, neutral or bearish, and how sure: from features to a label for each coin. Start at `assess.py`, then `training.py`.

Nothing here imports scikit-learn until something is trained.
"""

from offchain.signals.assess import assess, label_of, needs
from offchain.signals.evaluation import Evaluation, evaluate
from offchain.signals.learning import Learner
from offchain.signals.library import list_models, load_model, model_for, save_model
from offchain.signals.model import Model
from offchain.signals.outcome import LABELS, PHASES, Phase, Signal, SignalSet
from offchain.signals.phase import market_phase
from offchain.signals.training import TrainingRules, WalkForward, train, walk_forward

__all__ = [
    "LABELS",
    "PHASES",
    "Evaluation",
    "Learner",
    "Model",
    "Phase",
    "Signal",
    "SignalSet",
    "TrainingRules",
    "WalkForward",
    "assess",
    "evaluate",
    "label_of",
    "list_models",
    "load_model",
    "market_phase",
    "model_for",
    "needs",
    "save_model",
    "train",
    "walk_forward",
]
