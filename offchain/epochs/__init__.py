"""Weights that anyone can verify: from a decision to a proposal on the chain, and from the chain back to its inputs.

publication    what is published beside a proposal: everything the decision was made from, named by its hash
drafting       a decision as the next epoch of the registry
verifying      recomputes an epoch from a publication and compares every integer and hash
"""

from offchain.epochs.drafting import Draft, draft_epoch, first_epoch, rules_for
from offchain.epochs.publication import Publication
from offchain.epochs.verifying import Check, Verification, verify_epoch

__all__ = ["Check", "Draft", "Publication", "Verification", "draft_epoch", "first_epoch", "rules_for", "verify_epoch"]
