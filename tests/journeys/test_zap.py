"""The journey of an investor with one token: zap in with USDC and with ether, zap out, move to another index.

zap in
├── exact shares: precisely these, and what was not needed returns
├── an exact amount: all of it is spent, and as many shares as expected come
└── with ether: no approval, the change comes back as ether
zap out
└── what comes is what was expected, as USDC and as ether
migrate
└── shares of one index become shares of another that are worth the same, less the pools' fees
Always
└── zap and executor hold nothing afterwards; a mistake is told before anything is sent
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offchain.chain.accounts import resolve
from offchain.chain.core import erc20, index_contract
from offchain.chain.markets import local_manifest
from offchain.chain.reads import read_state
from offchain.chain.zap import (
    ETHER,
    ZapMarket,
    Zapped,
    ZapPlan,
    execute,
    find_token,
    plan_migrate,
    plan_mint,
    plan_redeem,
    plan_spend,
)
from offchain.errors import ChainError, InsufficientBalance, TransactionReverted, UnitError
from offchain.launch import fund_locally, launch, plan_launch

if TYPE_CHECKING:
    from conftest import Brownie

    from offchain.devnet import Devnet
    from offchain.launch import Launched

SHARE = 10**18
USD = 10**6  # {tok} of USDC


class Story:
    """One chain, one index, and the few lines that every test repeats."""

    def __init__(self, chain: Devnet, launched: Launched) -> None:
        self.chain, self.w3, self.core, self.index = chain, chain.w3, launched.core, launched.index
        self.market = ZapMarket.of_manifest(local_manifest(chain.w3))
        self.usdc = chain.contracts.usdc
        self.zap = self.core.contract(self.w3, "zap")

    def the(self, name: str) -> str:
        return resolve(self.w3, name)

    def fund(self, name: str, dollars: int) -> None:
        fund_locally(self.w3, self.the(name), {self.usdc: dollars * USD})

    def usd_of(self, name: str) -> int:
        return int(erc20(self.w3, self.usdc).functions.balanceOf(self.the(name)).call())

    def ether_of(self, name: str) -> int:
        return int(self.w3.eth.get_balance(self.the(name)))  # type: ignore[arg-type]

    def shares_of(self, name: str, index: str | None = None) -> int:
        return int(index_contract(self.w3, index or self.index.address).functions.balanceOf(self.the(name)).call())

    def price(self, index: str | None = None) -> float:
        """USD of a whole share at the oracle."""
        return read_state(self.w3, self.core, index or self.index.address).share_price_usd

    def run(self, name: str, plan: ZapPlan) -> Zapped:
        done = execute(self.w3, self.the(name), self.core, plan)
        self.assert_nothing_stays(plan)
        return done

    def assert_nothing_stays(self, plan: ZapPlan) -> None:
        executor = self.zap.functions.executor().call()
        indexes = [item for item in (plan.index, plan.into) if item != ETHER]
        tokens = {self.usdc, self.market.weth, *indexes}
        for item in indexes:
            tokens |= set(read_state(self.w3, self.core, item).tokens)
        for holder in (self.core.zap, executor):
            assert self.w3.eth.get_balance(holder) == 0
            assert all(erc20(self.w3, token).functions.balanceOf(holder).call() == 0 for token in tokens)
        spenders = [self.market.v2_router, self.market.v3_router, *indexes]
        for token in tokens:
            contract = erc20(self.w3, token)
            assert all(contract.functions.allowance(executor, spender).call() == 0 for spender in spenders)


@pytest.fixture
def story(chain: Devnet, launched: Launched) -> Story:
    return Story(chain, launched)


def test_alice_zaps_in_with_usdc_for_exactly_her_shares(story: Story) -> None:
    story.fund("alice", 1000)
    plan = plan_mint(story.w3, story.core, story.market, story.index.address, pay=story.usdc, shares=2 * SHARE)
    done = story.run("alice", plan)
    assert done.got == story.shares_of("alice") == 2 * SHARE == plan.expected
    spent = 1000 * USD - story.usd_of("alice")
    assert abs(spent - (plan.paid - plan.change)) <= 5  # the pools were read to the unit
    value = 2 * story.price()
    assert value * 0.995 < spent / USD < value * 1.01  # the pools stand near the oracle, and keep 0.05 to 0.6 %
    allowed = erc20(story.w3, story.usdc).functions.allowance(story.the("alice"), story.core.zap).call()
    assert allowed == 0 and len(done.approvals) == 1


def test_alice_spends_exactly_500_usdc(story: Story) -> None:
    story.fund("alice", 500)
    plan = plan_spend(story.w3, story.core, story.market, story.index.address, pay=story.usdc, amount=500 * USD)
    done = story.run("alice", plan)
    assert story.usd_of("alice") < USD // 100 and done.got == story.shares_of("alice")
    assert plan.expected * 0.9999 <= done.got <= plan.expected * 1.0001
    assert 0.99 < done.got / SHARE * story.price() / 500 < 1.005


def test_alice_zaps_in_with_ether_and_gets_ether_back(story: Story) -> None:
    before = story.ether_of("alice")
    plan = plan_mint(story.w3, story.core, story.market, story.index.address, pay=ETHER, shares=SHARE)
    done = story.run("alice", plan)
    assert story.shares_of("alice") == SHARE and done.approvals == ()
    spent = before - story.ether_of("alice") - done.gas_cost
    assert (
        abs(spent - (plan.paid - plan.change)) <= spent // 10**6 and plan.change > 0
    )  # a unit of USDC on the way is 4e8 wei
    dollars = spent / 10**18 * float(story.chain.price("ethereum"))
    assert story.price() * 0.995 < dollars < story.price() * 1.01


@pytest.mark.parametrize("get", ["USDC", "ETH"])
def test_bob_zaps_out(story: Story, get: str) -> None:
    story.fund("bob", 1000)
    story.run(
        "bob", plan_mint(story.w3, story.core, story.market, story.index.address, pay=story.usdc, shares=3 * SHARE)
    )
    token = find_token(local_manifest(story.w3), get)
    dollars, ether = story.usd_of("bob"), story.ether_of("bob")
    plan = plan_redeem(story.w3, story.core, story.market, story.index.address, get=token.address, shares=2 * SHARE)
    done = story.run("bob", plan)
    assert story.shares_of("bob") == SHARE
    assert plan.least < done.got and abs(done.got - plan.expected) <= plan.expected // 10**5
    if get == "USDC":
        assert story.usd_of("bob") - dollars == done.got
        worth = done.got / USD
    else:
        # the approval's gas is not in the receipt of the zap
        assert 0 <= done.got - (story.ether_of("bob") - ether) - done.gas_cost < 10**15
        worth = done.got / 10**18 * float(story.chain.price("ethereum"))
    assert 0.99 < worth / (2 * story.price()) < 1.005


def test_alice_moves_to_another_index(story: Story) -> None:
    w3, deployer = story.w3, story.the("deployer")
    other = launch(w3, deployer, plan_launch(w3, deployer, "LC10")).index.address
    story.fund("alice", 1000)
    story.run("alice", plan_mint(w3, story.core, story.market, story.index.address, pay=story.usdc, shares=2 * SHARE))
    plan = plan_migrate(w3, story.core, story.market, story.index.address, other, shares=2 * SHARE)
    done = story.run("alice", plan)
    assert story.shares_of("alice") == 0 and story.shares_of("alice", other) == done.got >= plan.least
    before, after = 2 * story.price(), done.got / SHARE * story.price(other)
    assert 0.98 < after / before < 1.005


def test_what_cannot_work_is_told_before_anything_is_sent(story: Story) -> None:
    w3, core, market, index = story.w3, story.core, story.market, story.index.address
    height = w3.eth.block_number
    with pytest.raises(UnitError, match="0 shares"):
        plan_mint(w3, core, market, index, pay=story.usdc, shares=0)
    with pytest.raises(UnitError, match="slippage of 1001 bps"):
        plan_redeem(w3, core, market, index, get=story.usdc, shares=SHARE, max_slippage_bps=1001)
    with pytest.raises(ChainError, match='USDX is no token of this market. Did you mean "USDC"?'):
        find_token(local_manifest(w3), "USDX")
    plan = plan_mint(w3, core, market, index, pay=story.usdc, shares=SHARE)
    with pytest.raises(InsufficientBalance, match="holds 0 base units"):
        execute(w3, story.the("eve"), core, plan)
    assert w3.eth.block_number == height


def test_a_plan_that_the_pools_have_left_behind_reverts(story: Story) -> None:
    """Somebody buys much of a component between the quote and the zap: the limits bind, alice keeps her money."""
    w3, core, market, index = story.w3, story.core, story.market, story.index.address
    story.fund("alice", 1000)
    plan = plan_mint(w3, core, market, index, pay=story.usdc, shares=SHARE, max_slippage_bps=5)
    story.fund("eve", 5_000_000)
    story.run("eve", plan_spend(w3, core, market, index, pay=story.usdc, amount=2_000_000 * USD))
    with pytest.raises(TransactionReverted, match="RouteFailed"):
        execute(w3, story.the("alice"), core, plan)
    assert story.usd_of("alice") == 1000 * USD and story.shares_of("alice") == 0


def test_the_zap_at_the_command_line(story: Story, brownie: Brownie) -> None:
    minted = brownie("zap", "mint", "EQ5", "1", "USDC", "alice", FAUCET="1")
    assert (minted.code, minted.errors) == (0, [])
    assert "gives 1 EQ5, at least 1" in minted.out and "got 1 EQ5" in minted.out
    redeemed = brownie("zap", "redeem", "EQ5", "1", "ETH", "alice")
    assert (redeemed.code, redeemed.errors) == (0, []) and " ETH, gas " in redeemed.out
    assert story.shares_of("alice") == 0
    wrong = brownie("zap", "spend", "EQ5", "5", "USDX", "alice")
    assert wrong.code == 1 and len(wrong.errors) == 1 and 'Did you mean "USDC"?' in wrong.errors[0]
