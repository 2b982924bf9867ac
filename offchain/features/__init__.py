"""What can be read from the market about a coin. Start at `catalogue.py`: FEATURES, and `compute(history, names)`."""

from offchain.features.catalogue import (
    FEATURES,
    FeatureFrame,
    catalogue_hash,
    catalogue_table,
    compute,
    compute_panel,
    compute_panels,
    needs,
    why_unknown,
)
from offchain.features.feature import GROUPS, Feature
from offchain.features.scores import standardise
from offchain.features.windows import significant

__all__ = [
    "FEATURES",
    "GROUPS",
    "Feature",
    "FeatureFrame",
    "catalogue_hash",
    "catalogue_table",
    "compute",
    "compute_panel",
    "compute_panels",
    "needs",
    "significant",
    "standardise",
    "why_unknown",
]
