"""All agents, in the order of the table."""

from __future__ import annotations

from tests.adversary.agent import Agent
from tests.adversary.auctions import AuctionSniper, AuctionThief, TipFarmer
from tests.adversary.averages import TwapBender
from tests.adversary.capital import Donor, FeePoker, FlashWhale, JitHolder
from tests.adversary.clocks import CrashRider, OracleLag
from tests.adversary.keys import Canary, StolenKey, WeightChurner
from tests.adversary.pools import PoolBender, Sandwich
from tests.adversary.roles import GuardianCaptured
from tests.adversary.takers import HostileTaker

CANARY = "canary"


def cast() -> dict[str, Agent]:
    """Fresh agents by name."""
    agents: tuple[Agent, ...] = (
        StolenKey(),
        StolenKey(name="stolen-key, moving", moving=True),
        PoolBender(),
        PoolBender(name="pool-bender, moving", moving=True),
        Sandwich(),
        Sandwich(name="sandwich, moving", moving=True),
        WeightChurner(),
        FlashWhale(),
        Donor(),
        JitHolder(),
        HostileTaker(),
        FeePoker(),
        GuardianCaptured(),
        OracleLag(),
        CrashRider(),
        AuctionSniper(),
        AuctionThief(),
        TipFarmer(),
        TwapBender(),
        TwapBender(name="twap-bender, anchored", anchored=True),
        Canary(name=CANARY),
    )
    return {agent.name: agent for agent in agents}
