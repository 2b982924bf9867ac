"""The operator's journey: from an index file to an index on a chain.

deploy
├── given a local market: core, feeds, index, roles and files; again: nothing is sent
├── given an interruption at any step: the same call finishes, and there is one index
├── given auctions in the file: their policy is set once, while the deployer still may
├── given a restarted chain: the old files are forgotten, readers are told
├── given a live network
│   ├── without a yes: nothing is sent
│   └── with one: keystore, components of the file, EIP-1559, and the deployer keeps nothing
└── given something wrong: one clear line, a failing exit, nothing sent
"""

from __future__ import annotations

import dataclasses
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from offchain.chain.accounts import resolve, signer
from offchain.chain.artifacts import artifact
from offchain.chain.core import ADMIN, GUARDIAN, STRATEGIST, access_manager, erc20, index_contract
from offchain.chain.deploy import auction_house, read_prices
from offchain.chain.deployments import Record, StaleDeployment, deployments_folder, exclusive, open_core, open_index
from offchain.chain.reads import read_state
from offchain.chain.transactions import at, send
from offchain.errors import (
    ChainError,
    InsufficientBalance,
    SpecError,
    StalePrice,
    TransactionReverted,
    UnknownIndex,
    WrongNetwork,
)
from offchain.launch import feed_prices, launch, listed_tokens, plan_launch
from offchain.launch_tables import plan_text
from offchain.spec.load import find_spec

if TYPE_CHECKING:
    from conftest import Brownie

    from offchain.devnet import Devnet
    from offchain.launch import Launched

EQ5 = "offchain/indexes/eq5.toml"


def the(chain: Devnet, name: str) -> str:
    return resolve(chain.w3, name)


def launch_eq5(chain: Devnet) -> Launched:
    deployer = the(chain, "deployer")
    return launch(chain.w3, deployer, plan_launch(chain.w3, deployer, "EQ5"))


# --- a local market ---------------------------------------------------------------------------------------------------


def test_deploy_from_the_command_line_makes_the_index_of_the_file_and_a_second_call_sends_nothing(
    chain: Devnet, brownie: Brownie
) -> None:
    first = brownie("deploy", "main", EQ5)
    assert (first.code, first.errors) == (0, [])
    assert "Ballast Equal 5 (EQ5) on local devnet (chain 31337)" in first.out
    assert "500 shares worth $50,000.00" in first.out and "20.0000 %" in first.out

    core, index = open_index(chain.w3, "EQ5")
    state = read_state(chain.w3, core, index.address)
    spec = find_spec("EQ5")
    assert index.address in first.out and core.oracle in first.out
    assert (state.name, state.symbol, len(state.components)) == ("Ballast Equal 5", "EQ5", 5)
    assert state.streaming_fee == 50 * 10**14 and state.mint_fee == state.redeem_fee == 0
    assert state.policy.max_slippage == 100 * 100 and state.policy.max_trade == 10**17
    assert state.limits.loss_capacity == 50 * 10**14 and state.limits.loss_window == 24 * 3600
    # 500 shares of 100 USD: at least that, and above by less than a base unit of each component
    assert 0 <= state.nav - 50_000 * 10**9 <= sum(-(-item.price // 10**27) for item in state.components)
    assert all(abs(weight - 2 * 10**17) < 10**12 for weight in state.weights.values())

    files = {path.name for path in deployments_folder(31337).iterdir()}
    assert {"core.json", "EQ5.json", "market.json", "verify"} <= files
    written = json.loads((deployments_folder(31337) / "EQ5.json").read_text())
    assert written["notes"]["index"]["spec_hash"] == spec.spec_hash
    assert written["steps"]["index"]["address"] == index.address and written["sent"] == {}
    listed = json.loads((deployments_folder(31337) / "verify" / "contracts.json").read_text())
    assert listed[index.address]["contract"] == "contracts/IndexToken.sol:IndexToken"
    assert listed[core.oracle]["arguments"].endswith(core.authority[2:].lower())

    height = chain.w3.eth.block_number
    second = brownie("deploy", "main", EQ5)
    assert second.code == 0 and "deployed already, nothing to send" in second.out and index.address in second.out
    assert chain.w3.eth.block_number == height


def test_deploy_gives_each_role_its_powers_and_the_deployer_none(chain: Devnet, launched: Launched) -> None:
    w3, index, core = chain.w3, launched.index, launched.core
    manager = at(w3, access_manager(), index.authority)

    def has(role: int, name: str) -> bool:
        return bool(manager.functions.hasRole(role, the(chain, name)).call()[0])

    assert has(ADMIN, "governor") and has(GUARDIAN, "guardian") and has(STRATEGIST, "keeper")
    assert not has(ADMIN, "deployer") and not has(STRATEGIST, "deployer") and not has(GUARDIAN, "deployer")
    assert manager.functions.hasRole(ADMIN, the(chain, "governor")).call()[1] == 24 * 3600

    token = index.contract(w3)
    send(w3, the(chain, "guardian"), token.functions.pauseMint(3600))
    rebalancer = core.contract(w3, "rebalancer")
    weights = [2 * 10**17] * 5
    start = rebalancer.functions.startPlan(index.address, 1, 1, [], weights, 3600)
    with pytest.raises(TransactionReverted, match="NotAuthorized"):
        send(w3, the(chain, "eve"), start)
    send(w3, the(chain, "keeper"), start)
    assert read_state(w3, core, index.address).is_plan_live


def test_deploy_leaves_no_allowance_and_pays_the_seed_exactly(chain: Devnet, launched: Launched) -> None:
    index, deployer = launched.index, the(chain, "deployer")
    for token, amount in zip(index.components, index.seed_amounts, strict=True):
        contract = erc20(chain.w3, token)
        assert contract.functions.allowance(deployer, launched.core.factory).call() == 0
        assert contract.functions.balanceOf(index.address).call() == amount
    # the seed shares less the locked ones are the deployer's
    assert index_contract(chain.w3, index.address).functions.balanceOf(deployer).call() == index.seed_shares - 10**9


def test_oracle_answers_what_the_plan_computed_from_the_aggregators(chain: Devnet, launched: Launched) -> None:
    tokens = listed_tokens(chain.w3, find_spec("EQ5"))
    planned = feed_prices(chain.w3, tokens)
    on_chain = read_prices(chain.w3, launched.core, [token.address for token in tokens])
    assert [planned[token.id].price for token in tokens] == on_chain


def test_a_second_index_uses_the_same_core(chain: Devnet, launched: Launched, tmp_path: Path) -> None:
    second = tmp_path / "two.toml"
    text = Path(EQ5).read_text().replace('"EQ5"', '"EQ3"').replace("top = 5", "top = 3").replace("0.2", "0.34")
    second.write_text(text.replace("min_weight = 0.34", "min_weight = 0.3"))
    deployer = the(chain, "deployer")
    done = launch(chain.w3, deployer, plan_launch(chain.w3, deployer, str(second)))
    assert done.core == launched.core and done.index.address != launched.index.address
    with pytest.raises(UnknownIndex, match='no index EQ4 .* Did you mean "EQ[35]"\\? There is: EQ3, EQ5'):
        open_index(chain.w3, "EQ4")


# --- interruptions ----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("saved", [True, False], ids=["after the file was written", "before the file was written"])
@pytest.mark.parametrize(
    "moment",
    [
        "sent authority",
        "record oracle",
        "sent lens",
        "sent feed",
        "record feed",
        "sent index",
        "record index",
        "note index",
    ],
)
def test_an_interrupted_deployment_is_finished_by_the_same_call(
    chain: Devnet, monkeypatch: pytest.MonkeyPatch, moment: str, saved: bool
) -> None:
    verb, what = moment.split()
    original = getattr(Record, verb)

    def killed(self: Record, *arguments: object, **notes: object) -> None:
        if any(str(name).split(":")[0] == what for name in (*arguments[:1], *notes)):
            if saved:
                original(self, *arguments, **notes)
            raise Killed
        original(self, *arguments, **notes)

    monkeypatch.setattr(Record, verb, killed)
    with pytest.raises(Killed):
        launch_eq5(chain)
    monkeypatch.setattr(Record, verb, original)
    done = launch_eq5(chain)

    assert open_index(chain.w3, "EQ5") == (done.core, done.index)
    created = done.core.contract(chain.w3, "factory").events.Create().get_logs(from_block=0)
    assert [event["args"]["index"] for event in created] == [done.index.address]
    manager = at(chain.w3, access_manager(), done.index.authority)
    assert not manager.functions.hasRole(ADMIN, the(chain, "deployer")).call()[0]
    assert read_state(chain.w3, done.core, done.index.address).nav >= 50_000 * 10**9


AUCTIONS = """
[auctions]
max_minutes = 90
max_premium_bps = 250
warm_up_seconds = 30
keeper_tip_bps = 2
"""
# {ppm} and {s}, in the order of IAuctionHouse.AuctionPolicy; what the file leaves out has its default
POLICY = (25_000, 5_000, 300, 5_400, 30, 3_600, 0, 200)


@pytest.mark.parametrize("killed_at", ["", "record index", "note index"])
@pytest.mark.parametrize("kind", ["account", "votes"])
def test_auctions_of_the_file_are_set_before_the_governor_takes_over(
    chain: Devnet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, killed_at: str
) -> None:
    file = tmp_path / "eq5.toml"
    file.write_text(Path(EQ5).read_text() + AUCTIONS + f'\n[governance]\nkind = "{kind}"\n')
    deployer = the(chain, "deployer")

    def launched() -> Launched:
        plan = plan_launch(chain.w3, deployer, str(file))
        said = "from at most 2.50 % above the oracle to at most 0.50 % below, in 5 to 90 minutes; by anyone 60 minutes"
        assert plan.existing is not None or said in plan_text(chain.w3, plan)
        return launch(chain.w3, deployer, plan)

    if killed_at:
        verb, what = killed_at.split()
        original = getattr(Record, verb)

        def killed(self: Record, *arguments: object, **notes: object) -> None:
            original(self, *arguments, **notes)
            if what in (*arguments[:1], *notes):
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Record, verb, killed)
            with pytest.raises(Killed):
                launched()
    done = launched()

    house = at(chain.w3, artifact("AuctionHouse"), auction_house(chain.w3, done.core))
    assert tuple(house.functions.auctionPolicyOf(done.index.address).call()) == POLICY
    events = house.events.SetAuctionPolicy().get_logs(from_block=0)
    assert [event["args"]["index"] for event in events] == [done.index.address]  # once, whatever was interrupted
    manager = at(chain.w3, access_manager(), done.index.authority)
    assert not manager.functions.hasRole(ADMIN, deployer).call()[0]
    with pytest.raises(TransactionReverted, match="NotAuthorized"):
        send(chain.w3, deployer, house.functions.setAuctionPolicy(done.index.address, POLICY))


def test_a_file_without_auctions_sends_what_it_always_did(chain: Devnet, launched: Launched) -> None:
    house = at(chain.w3, artifact("AuctionHouse"), auction_house(chain.w3, launched.core))
    assert tuple(house.functions.auctionPolicyOf(launched.index.address).call()) == (0,) * 8
    assert house.events.SetAuctionPolicy().get_logs(from_block=0) == []


def test_two_deployments_at_a_time_are_refused(chain: Devnet) -> None:
    deployer = the(chain, "deployer")
    plan = plan_launch(chain.w3, deployer, "EQ5")
    with exclusive(31337), pytest.raises(ChainError, match="another deployment .* is running; wait"):
        launch(chain.w3, deployer, plan)


def test_a_restarted_chain_is_told_to_readers_and_forgotten_by_deploy(chain: Devnet) -> None:
    with chain.rewound():
        old = launch_eq5(chain)
    with pytest.raises(StaleDeployment, match=r"core.json names 0x.* no contract .* restarted\?\); deploy again"):
        open_index(chain.w3, "EQ5")
    chain.node.mine()
    new = launch_eq5(chain)
    assert open_index(chain.w3, "EQ5") == (new.core, new.index)
    assert new.index.tx != old.index.tx


# --- something is wrong -----------------------------------------------------------------------------------------------


def a_free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_each_mistake_at_the_command_line_is_one_line_and_a_failing_exit(
    chain: Devnet, brownie: Brownie, tmp_path: Path
) -> None:
    malformed = tmp_path / "bad.toml"
    malformed.write_text(Path(EQ5).read_text().replace("top = 5", "top = 0"))
    url = chain.w3.provider.endpoint_uri
    height = chain.w3.eth.block_number
    cases = [
        (brownie.start("deploy", "main", EQ5, PORT=a_free_port()), ["Error: no node answers at http://127.0.0.1:"]),
        (brownie.start("deploy", "main", str(malformed)), ["1 mistake in the index file", "universe.top = 0"]),
        (
            brownie.start("deploy", "main", EQ5, network="sepolia", SEPOLIA_RPC_URL=url),
            ["is on local devnet (chain 31337), but Sepolia (chain 11155111) was expected"],
        ),
    ]
    for process, messages in cases:
        ended = brownie.end(process)
        assert ended.code == 1, ended
        assert len(ended.errors) == len(messages), ended
        assert all(message in line for message, line in zip(messages, ended.errors, strict=True)), ended
    assert chain.w3.eth.block_number == height
    assert not (deployments_folder(31337) / "core.json").exists()


def test_a_stale_feed_stops_the_deployment_before_anything_is_sent(chain: Devnet) -> None:
    chain.set_feed("ethereum", 1900, updated_at=chain.now - 27 * 3600)
    height = chain.w3.eth.block_number
    with pytest.raises(StalePrice, match="the feed of WETH is 1620 minutes old, 1560 are accepted; wait"):
        launch_eq5(chain)
    assert chain.w3.eth.block_number == height
    assert not (deployments_folder(31337) / "core.json").exists()


def test_a_chain_without_a_market_is_told_how_to_get_one(chain: Devnet) -> None:
    (deployments_folder(31337) / "market.json").unlink()
    with pytest.raises(ChainError, match="no market on this local chain .* `make chain` .* --network devnet"):
        launch_eq5(chain)


def test_a_file_beyond_the_contracts_bounds_is_refused_before_anything_is_sent(chain: Devnet, tmp_path: Path) -> None:
    file = tmp_path / "wild.toml"
    file.write_text(Path(EQ5).read_text() + "\n[guard]\nturnover_bps = 50_000\n")
    with pytest.raises(
        SpecError, match=r"(?s)wild.toml.*guard.turnover_bps = 50000: write a whole number from 1 to 40000"
    ):
        plan_launch(chain.w3, the(chain, "deployer"), str(file))


def test_another_file_under_the_same_symbol_is_refused(chain: Devnet, launched: Launched, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(Path(EQ5).read_text().replace("streaming_bps = 50", "streaming_bps = 60"))
    with pytest.raises(ChainError, match="EQ5 is deployed .* from another index file .* choose another symbol"):
        plan_launch(chain.w3, the(chain, "deployer"), str(file))


def test_an_index_of_another_chain_is_named_with_both_chains(chain: Devnet, launched: Launched) -> None:
    folder = deployments_folder(11155111)
    folder.mkdir()
    (deployments_folder(31337) / "EQ5.json").rename(folder / "SEP3.json")
    with pytest.raises(WrongNetwork, match="SEP3 is deployed on Sepolia .* but the node is on local devnet"):
        open_index(chain.w3, "SEP3")


def test_a_damaged_file_is_named(chain: Devnet, launched: Launched) -> None:
    (deployments_folder(31337) / "core.json").write_text("{")
    with pytest.raises(ChainError, match="core.json is not a deployment file"):
        open_core(chain.w3)


def test_nothing_deployed_is_told_with_the_command(chain: Devnet) -> None:
    with pytest.raises(ChainError, match="nothing is deployed on local devnet .* brownie run deploy main"):
        open_core(chain.w3)
    with pytest.raises(UnknownIndex, match="no index LC10 on local devnet .* none yet; brownie run deploy main"):
        open_index(chain.w3, "LC10")


# --- a live network ---------------------------------------------------------------------------------------------------

PASSWORD = "correct horse"


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: ANN201 the tuple of a fixture
    """A node that says it is Sepolia, tokens and feeds on it, an index file that lists them, and a keystore."""
    from eth_account import Account

    from offchain.devnet import Anvil, Devnet
    from offchain.market import synthetic_market

    data, coins = synthetic_market(), ["bitcoin", "ethereum", "chainlink"]
    keystores = tmp_path / "keystores"
    keystores.mkdir()
    owner = Account.from_key("0x" + "1" * 64)
    governor = Account.from_key("0x" + "2" * 64)
    for name, account in (("operator", owner), ("governor", governor), ("guardian", governor), ("keeper", governor)):
        content = Account.encrypt(account.key, PASSWORD, iterations=1000, kdf="pbkdf2")
        (keystores / f"{name}.json").write_text(json.dumps(content))
    market = tmp_path / "market.csv"
    panels = {"price": data.price, "market_cap": data.market_cap, "volume": data.volume}
    rows = pd.DataFrame({name: panel[coins].stack() for name, panel in panels.items()})
    rows.index.names = ["date", "id"]
    rows.reset_index().to_csv(market, index=False)
    monkeypatch.setenv("BALLAST_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("BALLAST_KEYSTORES", str(keystores))
    monkeypatch.setenv("MARKET", str(market))

    with Anvil.start(chain_id=11155111, timestamp=Devnet.genesis("2024-06-03")) as node:
        world = Devnet.build(node, data, start="2024-06-03", coins=coins)
        file = tmp_path / "live.toml"
        head = Path("offchain/indexes/sepolia-example.toml").read_text().split("[[components]]")[0]
        tables = [
            f'[[components]]\nid = "{coin}"\nsymbol = "{token.symbol}"\naddress = "{token.address}"\n'
            f'decimals = {token.decimals}\nfeed = "{token.feed}"\nmax_age_minutes = 1440\n'
            for coin, token in world.tokens.items()
            if coin in coins
        ]
        file.write_text("\n".join([head, *tables]))
        node.set_balance(owner.address, 10**19)
        yield world, file, owner.address, governor.address


def test_a_live_network_asks_checks_the_seed_and_hands_everything_over(live, brownie: Brownie) -> None:  # noqa: ANN001
    world, file, owner, governor = live
    w3 = world.w3
    with pytest.raises(InsufficientBalance, match="holds too little for the seed of SEP3: .*WBTC has 0, needs 0.00"):
        plan_launch(w3, owner, str(file))
    for coin in ("bitcoin", "ethereum", "chainlink"):
        world.faucet(owner, coin, 10 ** world.tokens[coin].decimals * 100)

    url = w3.provider.endpoint_uri
    call = ("deploy", "main", str(file), "operator")
    options = {"network": "sepolia", "SEPOLIA_RPC_URL": url, "PASSWORD": PASSWORD}
    height = w3.eth.block_number
    refused = brownie(*call, **options)
    assert refused.code == 1 and len(refused.errors) == 1 and "set BALLAST_YES=1" in refused.errors[0], refused
    with pytest.raises(ChainError, match='keystore "operator" was not opened'):
        signer(w3, "operator", lambda name: "guess")
    assert w3.eth.block_number == height

    done = brownie(*call, **options, YES="1")
    assert done.code == 0, done
    assert "Sepolia (chain 11155111)" in done.out and "ETH" in done.out
    core, index = open_index(w3, "SEP3")
    transaction = w3.eth.get_transaction(index.tx)
    assert transaction["type"] == 2 and transaction["from"] == owner
    manager = at(w3, access_manager(), index.authority)
    assert manager.functions.hasRole(ADMIN, governor).call()[0]
    assert not manager.functions.hasRole(ADMIN, owner).call()[0]
    assert dataclasses.asdict(core)["chain_id"] == 11155111


# --- sources for explorers --------------------------------------------------------------------------------------------


def test_verification_input_compiles_to_the_bytecode_that_is_deployed() -> None:
    solcx = pytest.importorskip("solcx")
    from offchain.chain.artifacts import artifact
    from offchain.chain.verification import standard_json

    solcx.set_solc_version("0.8.30")
    output = solcx.compile_standard(standard_json("PriceOracle"))
    compiled = output["contracts"]["contracts/PriceOracle.sol"]["PriceOracle"]["evm"]["bytecode"]["object"]
    assert "0x" + compiled == artifact("PriceOracle").bytecode
