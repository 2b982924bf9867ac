"""The keeper of a deployed index, found by its symbol: `open_keeper(w3, "LC10", account)`.

On a local chain tokens, pools and the market come from its market.json. On a live one they are the file's [[components]]
with their pools, and the market is CoinGecko, or the file or folder in MARKET. The ledger lies beside the deployment
files, in `keeper/<SYMBOL>.db`. Where holders vote about members, the ballots are those of the index's own governor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from eth_abi.abi import decode
from eth_account.signers.local import LocalAccount
from web3 import Web3

from offchain.chain.accounts import is_local
from offchain.chain.ballots import ballots_of
from offchain.chain.core import Core
from offchain.chain.deployments import deployments_folder, open_index
from offchain.chain.markets import live_market, local_manifest, local_market
from offchain.chain.pools import PoolPlace, call_many
from offchain.errors import KeeperError
from offchain.keeper.job import Keeper
from offchain.keeper.planning import Settings
from offchain.keeper.reading import Places, TokenPlace
from offchain.methodology import Methodology
from offchain.spec import IndexSpec, find_spec


def open_keeper(
    w3: Web3, name: str, account: LocalAccount | str, *, settings: Settings | None = None, ledger: Path | None = None
) -> Keeper:
    """The keeper of the index of that symbol or index file on the node's chain. With an address it can look, not send."""
    spec = find_spec(name)
    core, index = open_index(w3, spec.symbol)
    if index.spec_hash and index.spec_hash != spec.spec_hash:
        raise KeeperError(
            f"{name} is not the file {spec.symbol} was deployed from: it hashes to {spec.spec_hash[:18]}…, the deployment "
            f"says {index.spec_hash[:18]}…; give the file that was deployed"
        )
    local = is_local(w3)
    manifest = local_manifest(w3) if local else {}
    places = (
        Places.of_manifest(core, index.address, manifest) if local else places_of_spec(w3, core, index.address, spec)
    )
    return Keeper(
        w3,
        places,
        spec,
        market=local_market(manifest)
        if local
        else lambda t: live_market(spec, [component.id for component in spec.components])[0],
        account=account,
        ledger=ledger or ledger_path(w3, spec.symbol),
        settings=settings,
        wait=_local_wait(w3) if local else None,
        rules=Methodology.open(name),
        ballots=lambda: ballots_of(w3, index),
    )


def ledger_path(w3: Web3, symbol: str) -> Path:
    """Where the ledger of an index is kept; a local chain that starts anew gets a new one."""
    chain_id = w3.eth.chain_id
    suffix = f"-{w3.eth.get_block(0)['hash'].hex()[:8]}" if is_local(w3) else ""
    return deployments_folder(chain_id) / "keeper" / f"{symbol}{suffix}.db"


def places_of_spec(w3: Web3, core: Core, index: str, spec: IndexSpec) -> Places:
    """Tokens and pools of a live index; which tokens a pool trades, and whether it is V2 or V3, the pool says itself."""
    if not spec.components:
        raise KeeperError(f"{spec.symbol} lists no [[components]]; the keeper needs tokens and pools on a live chain")
    tokens = tuple(
        TokenPlace(
            id=component.id,
            symbol=component.symbol,
            address=w3.to_checksum_address(component.address),
            decimals=component.decimals,
        )
        for component in spec.components
    )
    addresses = sorted({w3.to_checksum_address(pool) for component in spec.components for pool in component.pools})
    weth = next((token.address for token in tokens if token.id == "ethereum"), "")
    return Places(core=core, index=index, tokens=tokens, pools=_pools(w3, core, addresses), weth=weth)


def _pools(w3: Web3, core: Core, addresses: Sequence[str]) -> tuple[PoolPlace, ...]:
    questions = ("token0()", "token1()", "fee()")
    answers = call_many(w3, core.multicall3, [(address, name) for address in addresses for name in questions])
    places = []
    for position, address in enumerate(addresses):
        token0, token1, fee = answers[3 * position : 3 * position + 3]
        if len(token0) != 32 or len(token1) != 32:
            raise KeeperError(f"{address} is no Uniswap pool on this chain: correct `pools` of its component")
        places.append(
            PoolPlace(
                kind="v3" if len(fee) == 32 else "v2",
                address=address,
                fee=int.from_bytes(fee) if len(fee) == 32 else 3000,
                token0=w3.to_checksum_address(decode(["address"], token0)[0]),
                token1=w3.to_checksum_address(decode(["address"], token1)[0]),
            )
        )
    return tuple(places)


def _local_wait(w3: Web3) -> Callable[[int], None]:
    from offchain.devnet.node import LocalNode

    return lambda until: LocalNode(w3).mine(timestamp=until)
