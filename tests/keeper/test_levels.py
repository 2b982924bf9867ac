"""Levels of an index, rebuilt from its events and the market's prices: what rules that stop by their own level look back on.

levels
    equal what a share stood for, through mints, redemptions, trades and fees
    are the same for a keeper that knows nothing but the chain
    begin with the first shares, and end at the time that is asked for
    a gift moves no level
    a component that no coin is known for, or that has no price yet, is one clear error
Rules
    exposure falls with the drawdown of the index, as the rule says, and the rest goes into the stablecoin
    a stop sells the coins, and the published inputs give the same decision
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.chain import investor
from offchain.chain.events import index_logs
from offchain.chain.reads import read_state
from offchain.devnet import Anvil, Devnet, choose_coins
from offchain.errors import KeeperError, MarketDataError
from offchain.keeper import Done
from offchain.keeper.levels import levels_of
from offchain.market import synthetic_market
from offchain.methodology import Inputs, Methodology
from offchain.spec import IndexSpec
from offchain.units import D27, NANO, WAD, from_wad
from tests.keeper.support import START, WEEKS, Fund, a_spec, deploy_fund, intercepted

INVESTOR = 5
STABLE = "usd-coin"


def tokens_of(fund: Fund) -> dict[str, tuple[str, int]]:
    return {place.address: (place.id, place.decimals) for place in fund.places.tokens}


def levels(fund: Fund, until: str) -> tuple[float, ...]:
    last = fund.world.w3.eth.block_number
    logs = index_logs(fund.world.w3, fund.core, fund.index.address, last=last)
    return levels_of(logs, fund.world.market, until, tokens_of(fund))


def nav_per_share(fund: Fund) -> float:
    """{USD/share} by the oracle, now."""
    state = read_state(fund.world.w3, fund.core, fund.index.address)
    value = sum(item.available * item.price for item in state.components)
    return value / D27 / NANO / (state.supply / WAD)


def mint(fund: Fund, shares: int) -> None:
    world, account = fund.world, fund.world.node.accounts[INVESTOR]
    preview = investor.preview_mint(world.w3, fund.core, fund.index.address, shares, account=account)
    for leg in preview.legs:
        world.faucet(account, tokens_of(fund)[leg.token][0], leg.limit)
    investor.mint(world.w3, account, fund.core, fund.index.address, shares)


def redeem(fund: Fund, shares: int) -> None:
    account = fund.world.node.accounts[INVESTOR]
    investor.redeem(fund.world.w3, account, fund.core, fund.index.address, shares)


# --- levels -----------------------------------------------------------------------------------------------------------


def test_levels_are_what_a_share_stood_for(fund: Fund, ledger: Path) -> None:
    """Each day's level is the NAV per share by the oracle, to its rounding, whoever came, went or traded in between."""
    days = ["2024-06-04", "2024-06-05", "2024-06-06", "2024-06-07", "2024-06-08", "2024-06-09", *WEEKS[:1]]
    seen = []
    for number, day in enumerate(days):
        fund.world.step(day)
        seen.append(nav_per_share(fund))
        if number in (1, 3):
            mint(fund, 40 * WAD)
        if number == 2:
            redeem(fund, 15 * WAD)
    with fund.keeper(ledger) as keeper:
        assert isinstance(keeper.run(), Done)
    fund.world.step(WEEKS[1])
    seen.append(nav_per_share(fund))
    found = levels(fund, WEEKS[1])
    assert len(found) == 14  # 4 to 17 June: shares are there since the 3rd, after midnight
    assert (*found[:7], found[-1]) == pytest.approx(seen, rel=2e-6)
    assert levels(fund, "2024-06-06") == found[:3]


def test_a_gift_moves_no_level(fund: Fund) -> None:
    fund.world.step(WEEKS[0])
    before, nav = levels(fund, WEEKS[0]), nav_per_share(fund)
    fund.world.faucet(fund.index.address, "bitcoin", 10**8)
    assert nav_per_share(fund) > 1.01 * nav
    assert levels(fund, WEEKS[0]) == before


def test_levels_need_to_know_every_component(fund: Fund) -> None:
    fund.world.step(WEEKS[0])
    logs = index_logs(fund.world.w3, fund.core, fund.index.address, last=fund.world.w3.eth.block_number)
    known = tokens_of(fund)
    listed = sorted(item.token for item in read_state(fund.world.w3, fund.core, fund.index.address).components)
    with pytest.raises(KeeperError, match=f"has held {listed[0]}, which no coin .* list the token"):
        levels_of(
            logs, fund.world.market, WEEKS[0], {token: coin for token, coin in known.items() if token != listed[0]}
        )
    lost = {token: ("nobody-knows" if token == listed[0] else coin, digits) for token, (coin, digits) in known.items()}
    with pytest.raises(MarketDataError, match="nobody-knows has no price on 2024-06-04 or before"):
        levels_of(logs, fund.world.market, WEEKS[0], lost)


def test_an_index_without_shares_has_no_levels(fund: Fund) -> None:
    assert levels_of([], fund.world.market, START, tokens_of(fund)) == ()
    assert levels(fund, START) == ()


# --- rules ------------------------------------------------------------------------------------------------------------


def guarded(**risk: object) -> IndexSpec:
    """LC10 that leaves for a stablecoin when it falls."""
    spec = a_spec(max_trade_bps=10_000)
    rules: dict[str, object] = {"stable": ((STABLE, 1.0),), "breadth_days": 20, **risk}
    return replace(spec, risk=replace(spec.risk, **rules))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def _falling() -> Iterator[Fund]:
    """An index that controls its drawdown, on a market that falls by a fifth until WEEKS[2]."""
    market = synthetic_market()
    coins = [*choose_coins(market, [START, *WEEKS], top=12), STABLE]
    with Anvil.start(timestamp=Devnet.genesis(START)) as node:
        world = Devnet.build(node, market, start=START, coins=coins)
        yield deploy_fund(world, guarded(drawdown_from=0.02, drawdown_limit=0.40, min_exposure=0.25))


@pytest.fixture
def falling(_falling: Fund) -> Iterator[Fund]:
    with _falling.world.rewound():
        for day in WEEKS[:3]:
            _falling.world.step(day)
        yield _falling


def test_exposure_falls_with_the_drawdown_of_the_index(falling: Fund, ledger: Path, tmp_path: Path) -> None:
    path = levels(falling, WEEKS[2])
    drawdown = 1 - path[-1] / max(path)
    assert 0.05 < drawdown < 0.35
    with falling.keeper(ledger) as keeper:
        decision = keeper.decide()
        expected = 1 - (drawdown - 0.02) / (0.40 - 0.02) * (1 - 0.25)
        assert 1 - from_wad(decision.target_weights[STABLE]) == pytest.approx(expected, abs=1e-9)
        assert isinstance(keeper.run(), Done)
        state = keeper.read().state
        value = {item.symbol: item.value for item in state.components}
        assert value["USDC"] / sum(value.values()) == pytest.approx(1 - expected, abs=0.01)
    with falling.keeper(tmp_path / "another.db") as other:  # which knows nothing but the chain
        assert levels(falling, WEEKS[2]) == path
        assert other.decide().target_weights == decision.target_weights


def test_a_stop_sells_the_coins_and_can_be_decided_again(falling: Fund, ledger: Path) -> None:
    spec = guarded(stop_loss=0.05, stop_exposure=0.1, stop_days=30)
    with falling.keeper(ledger, spec=spec) as keeper:
        decision, published = keeper.publish()
        assert from_wad(decision.target_weights[STABLE]) == pytest.approx(0.9, abs=1e-9)
        (why,) = [step.summary for step in decision.steps if step.stage == "exposure"]
        assert "10.00 % at risk: stopped" in why and "5.00 % below the peak" in why
        again = Inputs.from_json(published.inputs.to_json())
        assert again.levels == levels(falling, WEEKS[2]) and again.inputs_hash == decision.inputs_hash
        assert Methodology(spec).decide_on(again, decision.incumbents, tradable=decision.tradable) == decision


def test_levels_are_read_in_parts_from_a_node_that_refuses_many_blocks(fund: Fund) -> None:
    fund.world.step(WEEKS[0])
    expected, refused = levels(fund, WEEKS[0]), []

    def sparing(real: Callable[..., object]) -> Callable[..., object]:
        def ask(method: str, parameters: list[dict[str, str]]) -> object:
            if method == "eth_getLogs":
                blocks = int(str(parameters[0]["toBlock"]), 16) - int(str(parameters[0]["fromBlock"]), 16)
                if blocks > 10:
                    refused.append(blocks)
                    return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "block range too large"}}
            return real(method, parameters)

        return ask

    with intercepted(fund.world.w3, single=sparing):
        assert levels(fund, WEEKS[0]) == expected
    assert refused
