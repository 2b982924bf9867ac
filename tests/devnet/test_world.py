"""The local market: what is genuine, and how it moves.

A market that is built
    its V2 and V3 bytecode is the genuine one
    its pools are where CREATE2 predicts and where the factories say
    feeds answer market prices through the genuine proxy, with phase-encoded round ids
    pools stand at market prices, their size follows the coin's volume
    routers, quoter, Multicall3, Permit2 and WETH work
    building it twice gives the same chain; loading it gives the same state
A market that steps
    is at the time asked for exactly
    feeds and pools follow the market; a half-hour average has settled
    a price times a thousand for a day, and back
    a coin that dies keeps a floor, and no feed ever answers zero
    a coin without data keeps its price, and its feed goes stale
    a coin that is listed later opens its pools with its first price
    liquidity follows the volume
    never steps back
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

from offchain.chain.artifacts import V2_PAIR_INIT_CODE_HASH, V3_POOL_INIT_CODE_HASH, vendor
from offchain.chain.transactions import at, send
from offchain.devnet import Anvil, Devnet
from offchain.devnet.genuine import permit2_domain_separator
from offchain.devnet.liquidity import MIN_TVL, tvl
from offchain.errors import ChainError, MarketDataError
from offchain.market import Market

DAY = 86_400
START = "2024-02-01"
EXACT = 1e-6  # relative; pools are moved to the price itself
MULTICALL3_ABI = [
    {
        "type": "function", "name": "aggregate3", "stateMutability": "payable",
        "inputs": [{"name": "calls", "type": "tuple[]", "components": [
            {"name": "target", "type": "address"}, {"name": "allowFailure", "type": "bool"}, {"name": "callData", "type": "bytes"}]}],
        "outputs": [{"name": "returnData", "type": "tuple[]", "components": [
            {"name": "success", "type": "bool"}, {"name": "returnData", "type": "bytes"}]}],
    }
]  # fmt: skip


def a_market(prices: dict[str, list[float]], *, volumes: dict[str, float] | None = None) -> Market:
    """Daily prices by coin from START on, with ether at 2000 and USDC at 1 unless said otherwise; NaN is a hole."""
    days = max(len(column) for column in prices.values())
    columns = {"ethereum": [2000.0] * days, "usd-coin": [1.0] * days, **prices}
    dates = pd.date_range(START, periods=days, freq="D")
    frame = pd.DataFrame(columns, index=dates)
    volume = pd.DataFrame({coin: [(volumes or {}).get(coin, 50e6)] * days for coin in columns}, index=dates)
    meta = pd.DataFrame(
        {"symbol": [coin.upper()[:4] for coin in columns], "decimals": 18, "tags": ""}, index=list(columns)
    )
    return Market(price=frame, market_cap=frame * 1e6, volume=volume, meta=meta)


@pytest.fixture
def build() -> Iterator[Callable[..., Devnet]]:
    """`build(market)` → a world of all its coins at START on its own node."""
    nodes: list[Anvil] = []

    def a_world(market: Market, **options: object) -> Devnet:
        node = Anvil.start(timestamp=Devnet.genesis(START), **options)  # type: ignore[arg-type]
        nodes.append(node)
        return Devnet.build(node, market, start=START, coins=list(market.price.columns))

    yield a_world
    for node in nodes:
        node.stop()


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp(START) + pd.Timedelta(days=number)


def market_price(world: Devnet, coin: str) -> float:
    """USD; what the market file says of the day the world is in."""
    today = pd.Timestamp(world.now, unit="s").normalize().tz_localize(world.market.price.index.tz)
    return float(world.market.price.at[today, coin])


def worst_pool_error(world: Devnet) -> float:
    return max(
        abs(float(world.pool_price(coin, pool)) / market_price(world, coin) - 1)
        for coin, token in world.tokens.items()
        for pool in token.pools
        if world.is_open(pool)
    )


# --- built ------------------------------------------------------------------------------------------------------------


def test_bytecode_of_pairs_and_pools_is_the_genuine_one() -> None:
    assert "0x" + keccak(hexstr=vendor("UniswapV2Pair").bytecode).hex() == V2_PAIR_INIT_CODE_HASH
    assert "0x" + keccak(hexstr=vendor("UniswapV3Pool").bytecode).hex() == V3_POOL_INIT_CODE_HASH
    assert V2_PAIR_INIT_CODE_HASH.startswith("0x96e8ac42") and V2_PAIR_INIT_CODE_HASH.endswith("845f")
    assert V3_POOL_INIT_CODE_HASH.startswith("0xe34f199b") and V3_POOL_INIT_CODE_HASH.endswith("8b54")


def test_pools_are_where_create2_predicts_and_the_factories_say(devnet: Devnet) -> None:
    v2, v3 = devnet.contract("v2_factory").functions, devnet.contract("v3_factory").functions
    kinds = set()
    for token in devnet.tokens.values():
        for pool in token.pools:
            asked = (
                v2.getPair(pool.token0, pool.token1)
                if pool.kind == "v2"
                else v3.getPool(pool.token0, pool.token1, pool.fee)
            )
            assert asked.call() == pool.address
            kinds.add(pool.kind)
    assert kinds == {"v2", "v3"}


def test_tokens_have_their_real_symbols_and_decimals(devnet: Devnet) -> None:
    shown = {coin: (devnet.erc20(coin).functions.symbol().call(), devnet.erc20(coin).functions.decimals().call())
             for coin in ("ethereum", "usd-coin", "bitcoin", "solana", "uniswap")}  # fmt: skip
    assert shown == {
        "ethereum": ("WETH", 18),
        "usd-coin": ("USDC", 6),
        "bitcoin": ("WBTC", 8),
        "solana": ("SOL", 9),
        "uniswap": ("UNI", 18),
    }


def test_feeds_answer_market_prices_through_the_genuine_proxy(devnet: Devnet) -> None:
    for coin, token in devnet.tokens.items():
        proxy = devnet.proxy(coin).functions
        round_id, answer, started_at, updated_at, answered_in = proxy.latestRoundData().call()
        assert round_id == answered_in == (1 << 64) | 1  # phase 1, round 1
        assert answer / 10 ** proxy.decimals().call() == pytest.approx(market_price(devnet, coin), rel=1e-4)
        assert updated_at == started_at == devnet.now
        assert proxy.aggregator().call() == token.aggregator
    assert devnet.proxy("bitcoin").functions.description().call() == "BTC / USD"


def test_pools_stand_at_market_prices(devnet: Devnet) -> None:
    assert worst_pool_error(devnet) < EXACT


def test_size_of_pools_follows_the_volume(devnet: Devnet) -> None:
    for coin in ("bitcoin", "ethereum", "uniswap", "aave"):
        recent = devnet.market.price.index <= pd.Timestamp(devnet.now, unit="s").tz_localize(
            devnet.market.price.index.tz
        )
        volume = float(devnet.market.volume.loc[recent, coin].iloc[-30:].median())
        held = sum(float(devnet.pool_value(pool)) for pool in devnet.tokens[coin].pools)
        assert held == pytest.approx(min(max(0.1 * volume, 50_000), 200e6), rel=1e-3)


def test_routers_and_quoter_trade_the_pools(world: Devnet) -> None:
    alice = world.node.accounts[0]
    world.fund(alice, usdc=30_000)
    usdc, wbtc = world.usdc, world.tokens["bitcoin"]
    pool = wbtc.pools[0]
    for name in ("v2_router", "v3_router", "v3_router02"):
        send(world.w3, alice, world.erc20("usd-coin").functions.approve(getattr(world.contracts, name), 2**256 - 1))

    quoted = (
        world.contract("v3_quoter")
        .functions.quoteExactInputSingle((usdc.address, wbtc.address, 10_000 * 10**6, pool.fee, 0))
        .call()[0]
    )
    fair = 10_000 * market_price(world, "usd-coin") / market_price(world, "bitcoin") * 10**8
    assert fair * 0.996 < quoted < fair * 0.997  # the fee, and a little impact

    single = (usdc.address, wbtc.address, pool.fee, alice)
    send(
        world.w3,
        alice,
        world.contract("v3_router").functions.exactInputSingle((*single, world.now + DAY, 10_000 * 10**6, quoted, 0)),
    )
    assert world.balance(alice, "bitcoin") == quoted
    send(world.w3, alice, world.contract("v3_router02").functions.exactInputSingle((*single, 10_000 * 10**6, 1, 0)))
    assert world.balance(alice, "bitcoin") > 1.99 * quoted
    path = [usdc.address, world.weth.address, wbtc.address]
    send(
        world.w3,
        alice,
        world.contract("v2_router").functions.swapExactTokensForTokens(10_000 * 10**6, 1, path, alice, world.now + DAY),
    )
    assert world.balance(alice, "bitcoin") > 2.98 * quoted
    assert world.balance(alice, "usd-coin") == 0


def test_positions_can_be_added_by_the_genuine_manager(world: Devnet) -> None:
    alice, pool = world.node.accounts[0], world.weth.pools[0]
    world.faucet(alice, "usd-coin", 10**10)
    world.faucet(alice, "ethereum", 10**19)
    for coin in ("usd-coin", "ethereum"):
        send(world.w3, alice, world.erc20(coin).functions.approve(world.contracts.v3_positions, 2**256 - 1))
    before = world.pool_state(pool)[1]
    most = [10**19 if token == world.weth.address else 10**10 for token in (pool.token0, pool.token1)]
    send(world.w3, alice, world.contract("v3_positions").functions.mint(
        (pool.token0, pool.token1, pool.fee, -887270, 887270, *most, 0, 0, alice, world.now + DAY)))  # fmt: skip
    assert world.pool_state(pool)[1] > before


def test_multicall3_reads_many_at_once(devnet: Devnet) -> None:
    assert (
        keccak(devnet.w3.eth.get_code(devnet.multicall3)).hex()
        == "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"
    )
    multicall = devnet.w3.eth.contract(address=devnet.multicall3, abi=MULTICALL3_ABI)
    calls = [(token.feed, False, bytes.fromhex("50d25bcd")) for token in devnet.tokens.values()]
    answers = multicall.functions.aggregate3(calls).call()
    assert [int.from_bytes(data) for _, data in answers] == [
        int(price.scaleb(devnet.tokens[coin].feed_decimals)) for coin, price in devnet.prices().items()
    ]


def test_permit2_accepts_a_signature(world: Devnet) -> None:
    alice, bob = Account.create(), world.node.accounts[1]
    world.fund(alice.address)
    world.faucet(alice.address, "usd-coin", 500)
    send(world.w3, alice, world.erc20("usd-coin").functions.approve(world.permit2, 2**256 - 1))
    message = {
        "permitted": {"token": world.usdc.address, "amount": 500},
        "spender": bob,
        "nonce": 0,
        "deadline": world.now + DAY,
    }
    types = {
        "PermitTransferFrom": [
            ("permitted", "TokenPermissions"),
            ("spender", "address"),
            ("nonce", "uint256"),
            ("deadline", "uint256"),
        ],
        "TokenPermissions": [("token", "address"), ("amount", "uint256")],
    }
    signed = Account.sign_typed_data(
        alice.key,
        {"name": "Permit2", "chainId": 31337, "verifyingContract": world.permit2},
        {name: [{"name": n, "type": t} for n, t in fields] for name, fields in types.items()},
        message,
    )
    selector = keccak(text="permitTransferFrom(((address,uint256),uint256,uint256),(address,uint256),address,bytes)")[
        :4
    ]
    arguments = encode(
        ["((address,uint256),uint256,uint256)", "(address,uint256)", "address", "bytes"],
        [((world.usdc.address, 500), 0, message["deadline"]), (bob, 500), alice.address, signed.signature],
    )
    send(world.w3, bob, {"to": world.permit2, "data": "0x" + (selector + arguments).hex()})
    assert world.balance(bob, "usd-coin") == 500
    separator = world.w3.eth.call({"to": world.w3.to_checksum_address(world.permit2), "data": "0x3644e515"})
    assert bytes(separator) == permit2_domain_separator(31337)


def test_permit2_on_another_chain_id_has_that_chains_domain(build: Callable[..., Devnet]) -> None:
    world = build(a_market({"coin": [1.0]}), chain_id=1337)
    separator = world.w3.eth.call({"to": world.w3.to_checksum_address(world.permit2), "data": "0x3644e515"})
    assert bytes(separator) == permit2_domain_separator(1337)


def test_weth_is_the_genuine_one(world: Devnet) -> None:
    alice = world.node.accounts[0]
    weth = at(world.w3, vendor("WETH9"), world.weth.address)
    send(world.w3, alice, weth.functions.deposit(), value=10**18)
    send(world.w3, alice, weth.functions.withdraw(10**17))
    assert weth.functions.balanceOf(alice).call() == 9 * 10**17


def test_building_twice_gives_the_same_chain(build: Callable[..., Devnet]) -> None:
    market = a_market({"coin": [3.0, 4.0], "penny": [1e-6, 2e-6]})
    one, two = build(market), build(market)
    for world in (one, two):
        world.step(day(1))
    assert one.manifest() == two.manifest()
    blocks = [world.w3.eth.get_block("latest") for world in (one, two)]
    assert blocks[0]["hash"] == blocks[1]["hash"]


def test_loading_a_saved_market_gives_the_same_state_in_no_time(devnet: Devnet, tmp_path: Path) -> None:
    devnet.save(tmp_path / "market.json")
    begun = time.perf_counter()
    with Anvil.start() as node:
        loaded = Devnet.load(node, devnet.market, tmp_path / "market.json")
        print(f"\nstart and load of {len(loaded.tokens)} coins: {time.perf_counter() - begun:.2f} s")
        assert loaded.manifest() == devnet.manifest()
        assert loaded.prices() == devnet.prices()
        assert loaded.now == devnet.now
        loaded.step(pd.Timestamp(devnet.now, unit="s") + pd.Timedelta(days=1))
        state = loaded.w3.eth.get_block("latest")["stateRoot"]
    with devnet.rewound():
        devnet.step(pd.Timestamp(devnet.now, unit="s") + pd.Timedelta(days=1))
        assert devnet.w3.eth.get_block("latest")["stateRoot"] == state


def test_build_given_an_unknown_coin_suggests_the_known_one(build: Callable[..., Devnet]) -> None:
    market = a_market({"uniswap": [1.0]})
    with Anvil.start(timestamp=Devnet.genesis(START)) as node, pytest.raises(MarketDataError, match='"uniswap"'):
        Devnet.build(node, market, start=START, coins=["uniswop"])


# --- stepping ---------------------------------------------------------------------------------------------------------


def test_step_is_at_the_time_asked_for_and_follows_the_market(world: Devnet) -> None:
    for then in ("2024-06-04", "2024-06-10", "2024-07-01"):
        world.step(then)
        assert world.now == int(pd.Timestamp(then).timestamp())
        assert worst_pool_error(world) < EXACT
        for coin, price in world.prices().items():
            assert float(price) == pytest.approx(market_price(world, coin), rel=1e-4)
            assert world.age(coin) == 0


def test_step_leaves_time_for_a_half_hour_average_to_settle(world: Devnet) -> None:
    world.step("2024-06-04")
    for coin in ("bitcoin", "ethereum"):
        pool = world.tokens[coin].pools[0]
        contract = world.pool_contract(pool).functions
        (then, now), _ = contract.observe([1800, 0]).call()
        assert abs((now - then) / 1800 - contract.slot0().call()[1]) <= 1


def test_step_of_a_few_hours_keeps_the_days_prices(world: Devnet) -> None:
    before = world.prices()
    world.step("2024-06-03 06:00")
    assert world.prices() == before
    assert world.age("bitcoin") == 6 * 3600
    world.step("2024-06-03 06:00:01")
    assert world.age("bitcoin") == 6 * 3600 + 1


def test_step_given_a_thousandfold_price_for_a_day_follows_it_there_and_back(build: Callable[..., Devnet]) -> None:
    world = build(a_market({"glitch": [0.8, 800.0, 0.82], "steady": [5.0, 5.1, 5.2]}))
    for number in (1, 2):
        world.step(day(number))
        assert float(world.price("glitch")) == pytest.approx([0.8, 800.0, 0.82][number])
        assert worst_pool_error(world) < EXACT


def test_step_given_a_dying_coin_keeps_a_floor_and_never_reports_zero(build: Callable[..., Devnet]) -> None:
    path = [10.0, 0.01, 1e-7, 1e-10, 1e-13, 0.0, 0.0]
    world = build(a_market({"doomed": path, "small": [p * 1e-6 for p in path]}))
    assert (world.tokens["doomed"].feed_decimals, world.tokens["small"].feed_decimals) == (8, 18)
    for number, price in enumerate(path[1:], start=1):
        world.step(day(number))
        for coin, wanted in (("doomed", max(price, 1e-12)), ("small", max(price * 1e-6, 1e-12))):
            for pool in world.tokens[coin].pools:
                assert float(world.pool_price(coin, pool)) == pytest.approx(wanted, rel=1e-4)
            assert world.price(coin) > 0
    assert float(world.price("doomed")) == pytest.approx(1e-7)  # its feed of 8 decimals could not follow further,
    assert world.age("doomed") == 4 * DAY  # so it stopped
    assert float(world.price("small")) == pytest.approx(1e-12)


def test_step_given_no_data_keeps_the_price_and_the_feed_goes_stale(build: Callable[..., Devnet]) -> None:
    hole = float("nan")
    world = build(a_market({"patchy": [2.0, hole, hole, 2.5], "ethereum": [2000.0, 2400.0, 1600.0, 1600.0]}))
    for number, age in ((1, 1), (2, 2), (3, 0)):
        world.step(day(number))
        assert world.age("patchy") == age * DAY
        assert float(world.price("patchy")) == (2.5 if number == 3 else 2.0)
        for pool in world.tokens["patchy"].pools:
            assert float(world.pool_price("patchy", pool)) == pytest.approx(2.5 if number == 3 else 2.0, rel=EXACT)


def test_step_over_many_days_dates_the_feed_by_when_the_price_was_seen(build: Callable[..., Devnet]) -> None:
    hole = float("nan")
    world = build(a_market({"patchy": [2.0, 2.2, hole, hole, hole], "alive": [1.0, 1.1, 1.2, 1.3, 1.4]}))
    world.step(day(4))
    assert (float(world.price("patchy")), world.age("patchy")) == (2.2, 3 * DAY)
    assert (float(world.price("alive")), world.age("alive")) == (1.4, 0)


def test_step_opens_the_pools_of_a_coin_listed_later(build: Callable[..., Devnet]) -> None:
    hole = float("nan")
    world = build(a_market({"newcomer": [hole, hole, 7.0, 8.0]}))
    pool = world.tokens["newcomer"].pools[0]
    assert not world.is_open(pool) and "newcomer" not in world.prices()
    with pytest.raises(ChainError, match="no open pool"):
        world.pool_price("newcomer")
    for number, price in ((2, 7.0), (3, 8.0)):
        world.step(day(number))
        assert world.is_open(pool)
        assert float(world.price("newcomer")) == price
        assert float(world.pool_price("newcomer")) == pytest.approx(price, rel=EXACT)


def test_step_moves_liquidity_when_the_volume_changed_much(build: Callable[..., Devnet]) -> None:
    market = a_market({"coin": [3.0] * 40})
    market.volume.loc[day(1) :, "coin"] = 500e6
    world = build(market)
    assert sum(float(world.pool_value(p)) for p in world.tokens["coin"].pools) == pytest.approx(5e6, rel=1e-3)
    world.step(day(35))
    assert sum(float(world.pool_value(p)) for p in world.tokens["coin"].pools) == pytest.approx(50e6, rel=1e-3)
    market.volume.loc[day(5) :, "coin"] = 1e3
    world.step(day(39))
    assert sum(float(world.pool_value(p)) for p in world.tokens["coin"].pools) == pytest.approx(MIN_TVL, rel=1e-3)
    assert worst_pool_error(world) < EXACT


def test_step_back_is_refused(devnet: Devnet) -> None:
    with pytest.raises(ChainError, match="cannot step back"):
        devnet.step("2024-06-01")


def test_pools_come_back_after_someone_else_traded(world: Devnet) -> None:
    world.set_pools("uniswap", 3 * float(world.price("uniswap")))
    assert worst_pool_error(world) > 1.5
    world.step("2024-06-04")
    assert worst_pool_error(world) < EXACT


def test_set_feed_moves_the_feed_alone(world: Devnet) -> None:
    pool_price = world.pool_price("uniswap")
    world.set_feed("uniswap", 123.45, updated_at=world.now - 7200)
    assert float(world.price("uniswap")) == 123.45
    assert world.age("uniswap") >= 7200
    assert world.pool_price("uniswap") == pool_price


def test_rewinding_forgets_pools_opened_meanwhile(build: Callable[..., Devnet]) -> None:
    hole = float("nan")
    world = build(a_market({"newcomer": [hole, 7.0]}))
    for _ in range(2):
        with world.rewound():
            world.step(day(1))
            assert world.is_open(world.tokens["newcomer"].pools[0])
        assert not world.is_open(world.tokens["newcomer"].pools[0])


def test_forty_random_days_leave_every_pool_at_its_price(build: Callable[..., Devnet]) -> None:
    dice = np.random.default_rng(7)
    jumps = np.exp(dice.normal(0, 1.5, size=(40, 6)))
    prices = {f"coin-{k}": list(np.clip(10.0 ** (k - 4) * np.cumprod(jumps[:, k]), 1e-11, 1e6)) for k in range(6)}
    world = build(a_market(prices))
    for number in range(1, 40):
        world.step(day(number))
        assert worst_pool_error(world) < EXACT, number


def test_tvl_of_an_unknown_volume_is_the_smallest() -> None:
    assert tvl(float("nan")) == tvl(0.0) == MIN_TVL
