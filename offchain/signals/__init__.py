"""Bullish, neutral or bearish, and how sure: from features to a label for each coin. Start at `assess.py`, then `training.py`.

Nothing here imports scikit-learn until something is trained.
"""

from offchain.signals.assess import assess, label_of, lenses, needs
from offchain.signals.evaluation import Evaluation, evaluate
from offchain.signals.learning import Learner
from offchain.signals.library import list_models, load_model, model_for, save_model
from offchain.signals.model import Model, Versions
from offchain.signals.null import shuffled
from offchain.signals.outcome import LABELS, PHASES, Phase, Signal, SignalSet
from offchain.signals.phase import market_phase
from offchain.signals.sentiment import Text, daily_panels, score, scores
from offchain.signals.training import TrainingRules, WalkForward, train, train_versions, walk_forward
from offchain.signals.trials import FeatureTrial, evaluate_rules, feature_table

__all__ = [
    "LABELS",
    "PHASES",
    "Evaluation",
    "FeatureTrial",
    "Learner",
    "Model",
    "Phase",
    "Signal",
    "SignalSet",
    "Text",
    "TrainingRules",
    "Versions",
    "WalkForward",
    "assess",
    "daily_panels",
    "evaluate",
    "evaluate_rules",
    "feature_table",
    "label_of",
    "lenses",
    "list_models",
    "load_model",
    "market_phase",
    "model_for",
    "needs",
    "save_model",
    "score",
    "scores",
    "shuffled",
    "train",
    "train_versions",
    "walk_forward",
]
