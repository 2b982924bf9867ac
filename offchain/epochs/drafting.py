"""A decision as the next epoch of the weight registry: tokens in ascending order, hashes, inputs of the methodology.

    draft = draft_epoch(w3, core, index, decision, publication)
    propose(w3, strategist, core, draft.epoch, draft.inputs)

Where the registry has no methodology the weights are the decision's own. Where it has one they are what that contract will
compute from the publication: the same numbers, but for ties. The engine settles ties by coin id and the contract by
token address, so a wei of remainder may lie with another of several equal names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from web3 import Web3

from offchain.chain.core import Core
from offchain.chain.registry import (
    NOBODY,
    Epoch,
    OnChainRule,
    Rules,
    last_number,
    read_rule,
    rules_of,
    weights_of,
)
from offchain.epochs.publication import Publication
from offchain.errors import ChainError, DecisionMismatch, InfeasibleWeights
from offchain.methodology import Decision
from offchain.reference import weight_math
from offchain.reference.integers import Reverted
from offchain.spec.model import IndexSpec
from offchain.units import WAD, fraction_to_wad, usd_to_nano

MARKET_CAP_RULES = ("CappedMarketCap", "SqrtMarketCap")
HOUR, DAY = 3_600, 86_400
# {s} a little less than the calendar, so that one late execution does not push all later ones out
INTERVALS = {
    "daily": 20 * HOUR,
    "weekly": 6 * DAY,
    "monthly": 27 * DAY,
    "quarterly": 88 * DAY,
    "semiannual": 179 * DAY,
    "never": 20 * HOUR,  # a basket has no calendar that an interval could follow
}
DELAY, TTL = 12 * HOUR, 3 * DAY  # {s}
MAX_CHANGE = WAD  # D18{1} of 2: half of the basket may be replaced at once, or as much as [risk] may move at once


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An epoch ready to be proposed, and the ABI-encoded inputs of its methodology."""

    epoch: Epoch
    inputs: bytes


def draft_epoch(
    w3: Web3, core: Core, index: str, decision: Decision, publication: Publication, *, inputs: bytes | None = None
) -> Draft:
    """The next epoch of a registered index. `inputs` are needed where they do not follow from the market snapshot."""
    require_same(decision, publication)
    rules = rules_of(w3, core, index)
    rule = read_rule(w3, rules.methodology)
    tokens = tokens_of(decision, publication)
    given = inputs if inputs is not None or rule is None else inputs_of(rule, decision, publication)
    if rule is None:
        weights = decided_weights(decision, publication)
    else:
        if given is None:
            raise ChainError(f"the inputs of {rule.name} are not in the market snapshot; pass them as `inputs`")
        previous = weights_of(w3, core, index, tokens)
        try:
            weights = recompute(rule, request_of(rules, tokens, previous), decode_inputs(rule, given))
        except Reverted as error:
            raise InfeasibleWeights(f"{rule.name} would refuse the inputs of {decision.symbol}: {error}") from error
    return Draft(
        epoch=Epoch(
            index=index,
            number=last_number(w3, core, index) + 1,
            spec_hash=decision.spec_hash,
            inputs_hash=publication.inputs_hash,
            tokens=tokens,
            weights=tuple(weights),
        ),
        inputs=given or b"",
    )


def first_epoch(index: str, decision: Decision, publication: Publication) -> Epoch:
    """Epoch 1: the weights an index begins with, for `register`."""
    require_same(decision, publication)
    return Epoch(
        index=index,
        number=1,
        spec_hash=decision.spec_hash,
        inputs_hash=publication.inputs_hash,
        tokens=tokens_of(decision, publication),
        weights=tuple(decided_weights(decision, publication)),
    )


def rules_for(spec: IndexSpec, *, max_change: int = 0, delay: int = DELAY, methodology: str = "") -> Rules:
    """Rules of the registry that fit an index file: its cap and floor, and an interval by its calendar. `max_change` 0: what fits.

    Weights that the engine decides are bounded by what [risk] may make of them; a methodology on chain takes those of [weights].
    """
    floor, cap = spec.weights.min_weight, spec.weights.max_weight
    if not methodology:
        floor, cap = 0.0 if spec.risk.stable or spec.sleeves else floor, spec.highest_weight
    return Rules(
        min_weight=max(1, fraction_to_wad(floor)),
        max_weight=fraction_to_wad(cap),
        max_change=max_change or max(MAX_CHANGE, 2 * fraction_to_wad(spec.risk.most_aside)),
        min_interval=INTERVALS[spec.rebalance.calendar],
        delay=delay,
        ttl=TTL,
        methodology=methodology or NOBODY,
    )


def require_same(decision: Decision, publication: Publication) -> None:
    """Raises DecisionMismatch unless the publication says what the decision was made from."""
    if (decision.inputs_hash, decision.incumbents, decision.tradable) != (
        publication.inputs.inputs_hash,
        publication.incumbents,
        publication.tradable,
    ):
        raise DecisionMismatch(
            f"the publication {publication.inputs_hash} is not of the decision {decision.decision_hash}; "
            "make it with Publication.of(decision, inputs, tokens)"
        )


# --- what the chain will compute --------------------------------------------------------------------------------------


def tokens_of(decision: Decision, publication: Publication) -> tuple[str, ...]:
    """Addresses of everything with a weight, ascending as numbers."""
    return tuple(Web3.to_checksum_address(publication.tokens[name]) for name in _ids(decision, publication))


def decided_weights(decision: Decision, publication: Publication) -> list[int]:
    """D18 weights of the decision in the order of `tokens_of`."""
    return [decision.target_weights[name] for name in _ids(decision, publication)]


def inputs_of(rule: OnChainRule, decision: Decision, publication: Publication) -> bytes | None:
    """ABI-encoded inputs of a rule, as they follow from the publication; None when they do not."""
    name = rule.inner.name if rule.inner else rule.name
    if name == "EqualWeight":
        return b""
    if name == "Managed":
        return encode(["uint256[]"], [decided_weights(decision, publication)])
    if name in MARKET_CAP_RULES:
        caps = [publication.snapshot[coin].market_cap or 0.0 for coin in _ids(decision, publication)]
        return encode(["uint256[]"], [[usd_to_nano(cap) for cap in caps]])
    return None


def decode_inputs(rule: OnChainRule, inputs: bytes) -> list[int]:
    """The integers inside ABI-encoded inputs. Raises ChainError when they are not what the rule takes."""
    name = rule.inner.name if rule.inner else rule.name
    if name not in weight_math.RULES:
        raise ChainError(f'no twin of the methodology "{name}" is known; there are {", ".join(weight_math.RULES)}')
    if not inputs:
        return []
    try:
        return [int(value) for value in decode(["uint256[]"], inputs)[0]]
    except DecodingError as error:
        raise ChainError(f"the inputs 0x{inputs.hex()[:64]}… are no list of numbers: {error}") from error


def request_of(rules: Rules, tokens: Sequence[str], previous: Sequence[int]) -> weight_math.Request:
    """What the registry asks the methodology."""
    return weight_math.Request(
        tokens=tuple(tokens),
        previous=tuple(previous),
        min_weight=rules.min_weight,
        max_weight=rules.max_weight,
    )


def recompute(rule: OnChainRule, request: weight_math.Request, values: Sequence[int]) -> list[int]:
    """What the contract computes, by its Python twin. Raises Reverted where it reverts."""
    if rule.inner is None:
        return weight_math.compute(rule.name, request, values)
    return weight_math.damped_step(request, recompute(rule.inner, request, values), step=rule.step)


def _ids(decision: Decision, publication: Publication) -> list[str]:
    members = [name for name, weight in decision.target_weights.items() if weight]
    return sorted(members, key=lambda name: int(publication.tokens[name], 16))
