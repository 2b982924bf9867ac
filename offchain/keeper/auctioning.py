"""Whether a plan is auctioned, and for how long its swaps wait. Reads and decides; what is to be sent, the job sends.

The contract lets the strategist swap while an auction is live: a fill takes no more than is left, so that neither can pass
a target. The keeper waits all the same. An auction starts above the oracle's price and a swap may go below it, so a swap in
between would sell for less what is on offer for more, and take from under a filler what he was quoted. Against being held up
by others, who may open auctions once the strategist's window is over:

    it waits for the first auction of a plan, whoever opened it, and for no later one
    it waits for none that would outlive its plan, and opens none that would
    it opens at most one a plan, so that an auction the guardian closed stays closed

Whether an auction was the first is asked of the chain, as everything is: a ledger may be lost, another keeper has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from web3 import Web3

from offchain.chain.auctions import Auction, AuctionTerms, house_of, policy_and_auction
from offchain.chain.terms import AuctionPolicy
from offchain.errors import NotConnected
from offchain.keeper.outcomes import RetryAt, time_text
from offchain.keeper.planning import live_positions
from offchain.keeper.reading import Places, Situation
from offchain.reference.trade_math import value_down
from offchain.spec.model import IndexSpec
from offchain.units import usd_to_nano


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Auctions of the index at the situation's block. `had_another`: the plan had an auction before the last one."""

    house: str
    policy: AuctionPolicy
    auction: Auction
    had_another: bool = False


def look(w3: Web3, places: Places, situation: Situation) -> Standing:
    """What stands; asks for events only where an auction of the live plan does."""
    house = house_of(w3, places.core)
    policy, auction = policy_and_auction(w3, places.core, house, places.index, block=situation.block)
    another = False
    if _is_of_plan(situation, auction) and situation.time <= auction.ends_at and auction.id > 1:
        words = (int(places.index, 16), auction.plan_id, auction.id - 1)
        asked = {
            "address": house.address,
            "fromBlock": places.core.block,
            "toBlock": situation.block,
            "topics": [str(house.events.OpenAuction().topic), *("0x" + word.to_bytes(32).hex() for word in words)],
        }
        try:
            another = bool(w3.eth.get_logs(asked))  # type: ignore[arg-type]
        except ValueError as error:  # what web3 makes of null
            raise NotConnected(
                f"the node gave no list of events up to block {situation.block}; it lags or is overloaded"
            ) from error
    return Standing(house=house.address, policy=policy, auction=auction, had_another=another)


def waiting(situation: Situation, spec: IndexSpec, standing: Standing) -> RetryAt | None:
    """Until when swaps of the live plan wait for its auction; None when they do not."""
    auction, plan = standing.auction, situation.state.plan
    if (
        not _is_of_plan(situation, auction)
        or situation.time > auction.ends_at
        or standing.had_another
        or auction.ends_at >= plan.expires_at
        or not _is_worth_it(situation, spec)
    ):
        return None
    return RetryAt(
        time=auction.ends_at + 1,
        reason=f"plan {plan.id} is auctioned until {time_text(auction.ends_at)} (auction {auction.id}); then the rest is swapped",
    )


def why_not(situation: Situation, spec: IndexSpec, standing: Standing) -> str:
    """The reason not to open an auction of the live plan, empty when there is none."""
    auction, policy, plan = standing.auction, standing.policy, situation.state.plan
    if policy.max_duration == 0:
        return "the policy of the index allows no auctions; its governor sets it (setAuctionPolicy)"
    if _is_of_plan(situation, auction):
        return f"plan {plan.id} has had its auction ({auction.id})"
    if situation.time + policy.warm_up + policy.max_duration >= plan.expires_at:
        return f"plan {plan.id} expires at {time_text(plan.expires_at)}, before an auction of it would end"
    if not _is_worth_it(situation, spec):
        return f"nothing above rebalance.min_trade_usd is left of plan {plan.id} on both sides"
    return ""


def terms_of(situation: Situation, standing: Standing) -> AuctionTerms:
    """From the most above the oracle to the most below it, as slowly as the policy allows: what anyone may open later."""
    return AuctionTerms.public(standing.policy, manual=situation.state.plan.manual)


def _is_of_plan(situation: Situation, auction: Auction) -> bool:
    return auction.id > 0 and auction.plan_id == situation.state.plan.id


def _is_worth_it(situation: Situation, spec: IndexSpec) -> bool:
    """Whether some token is above its target by more than the smallest trade, and some other below."""
    least, positions = usd_to_nano(spec.rebalance.min_trade_usd), live_positions(situation)
    return any(value_down(item.surplus, item.price) >= least for item in positions) and any(
        value_down(item.deficit, item.price) >= least for item in positions
    )
