"""What an operator sees before and after a launch: short aligned text with units. The scripts print it."""

from __future__ import annotations

from web3 import Web3

from offchain.canonical import utc_text
from offchain.chain.accounts import name_of
from offchain.chain.client import chain_name
from offchain.chain.deployments import shown
from offchain.chain.tables import columns, facts, shares, usd
from offchain.chain.terms import IndexTerms
from offchain.launch import Launched, LaunchPlan
from offchain.reference.constants import PPM
from offchain.spec.model import GovernanceRules
from offchain.units import D27, NANO, WAD, format_percent, format_tokens, format_usd, format_weight


def plan_text(w3: Web3, plan: LaunchPlan) -> str:
    """The plan: what, where, by whom, at what cost, and the first basket."""
    title = f"{plan.spec.name} ({plan.spec.symbol}) on {chain_name(plan.chain_id)}"
    if plan.existing is not None:
        return f"{title}: deployed already, nothing to send"
    terms = plan.terms
    delay = f", whose actions wait {terms.admin_delay // 3600} h" if terms.admin_delay else ""
    by_vote = plan.spec.governance.kind == "votes"
    rows = [
        ("account", _who(w3, plan.account)),
        ("core", "exists" if plan.core_exists else "will be deployed"),
        ("decided", "in an earlier call" if plan.decision is None else f"{utc_text(plan.decision.t)} on {plan.market}"),
        ("seed", f"{shares(terms.seed_shares)} shares worth {usd(plan.seed_value)}"),
        (
            "fees",
            f"{format_percent(terms.streaming_fee / WAD)} a year, mint {format_percent(terms.mint_fee / WAD)}, "
            f"redeem {format_percent(terms.redeem_fee / WAD)}{_performance(terms)}",
        ),
        *_auctions(terms),
        ("governor", _vote(plan.spec.governance) if by_vote else _who(w3, terms.governor) + delay),
        ("guardian", _who(w3, terms.guardian)),
        ("strategist", _who(w3, terms.strategist)),
        ("gas", _gas(plan)),
    ]
    return "\n".join([title, facts(rows), "", _basket(plan)])


def _performance(terms: IndexTerms) -> str:
    """What is said of fees that only some indexes have."""
    said = ""
    if terms.performance_fee:
        days = terms.performance_interval // 86_400
        said += f", {format_percent(terms.performance_fee / WAD)} of gains every {days} days"
    if terms.fee_burn:
        said += f"; {format_percent(terms.fee_burn / WAD)} of all fees burned for the holders"
    return said


def _auctions(terms: IndexTerms) -> list[tuple[str, str]]:
    """The row of an index that auctions, or pays for its turnover."""
    policy = terms.auctions
    if policy is None:
        return []
    said = "none"
    if policy.max_duration:
        said = (
            f"from at most {format_percent(policy.max_premium / PPM)} above the oracle to at most "
            f"{format_percent(policy.max_discount / PPM)} below, in {policy.min_duration // 60} to "
            f"{policy.max_duration // 60} minutes; by anyone {policy.strategist_window // 60} minutes into a plan"
        )
    if policy.rebalance_fee or policy.keeper_tip:
        said += f"; of turnover {format_percent(policy.rebalance_fee / PPM)} fee, {format_percent(policy.keeper_tip / PPM)} tip"
    return [("auctions", said)]


def question(plan: LaunchPlan) -> str:
    """What is asked once on a live network."""
    return (
        f"Deploy {plan.spec.symbol} to {chain_name(plan.chain_id)} from {plan.account}: "
        f"{usd(plan.seed_value)} of tokens as seed and {_gas(plan)}."
    )


def launched_text(done: Launched) -> str:
    """The addresses and the files."""
    rows = [(done.index.symbol, done.index.address), ("its authority", done.index.authority)]
    rows += [(name, address) for name, address in done.core.addresses().items()]
    rows += [("transaction", f"{done.index.tx} in block {done.index.block}")]
    rows += [("written", shown(path)) for path in done.files]
    return "\n" + facts(rows)


def _vote(rules: GovernanceRules) -> str:
    return (
        f"the holders: {rules.voting_delay_hours} h notice, {rules.voting_period_hours} h vote, "
        f"{rules.timelock_hours} h timelock, quorum {rules.quorum_percent} % of all shares"
    )


def _basket(plan: LaunchPlan) -> str:
    tokens = {token.address: token for token in plan.tokens}
    values = []
    for address, amount in zip(plan.terms.components, plan.terms.seed_amounts, strict=True):
        token = tokens[address]
        price = plan.prices[token.id]
        whole = price * 10**token.decimals // D27  # {nUSD} of one whole token
        values.append((token, amount, whole, amount * price // D27))
    total = sum(value for *_, value in values) or 1
    rows = [
        (
            token.symbol,
            format_weight(value * WAD // total),
            format_tokens(amount, token.decimals),
            format_usd(f"{whole // NANO}.{whole % NANO:09d}"),
            usd(value),
        )
        for token, amount, whole, value in values
    ]
    return columns(("component", "weight", "amount", "price", "value"), rows)


def _who(w3: Web3, address: str) -> str:
    name = name_of(w3, address)
    return address if name == address else f"{name} {address}"


def _gas(plan: LaunchPlan) -> str:
    ether = format_tokens(plan.gas * plan.gas_price, 18, places=4)
    return f"about {plan.gas / 1e6:.1f} million gas, at most {ether} ETH"
