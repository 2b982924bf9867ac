"""The genuine contracts of a local market, deployed from npm's bytecode, and where CREATE2 puts their pools."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from offchain.chain.artifacts import V2_PAIR_INIT_CODE_HASH, V3_POOL_INIT_CODE_HASH
from offchain.devnet.node import LocalNode

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
ZERO = "0x0000000000000000000000000000000000000000"

_DATA = Path(__file__).parent / "data"
_PERMIT2_BUILT_IN_CHAIN = 31337
_PERMIT2_BUILT_IN_SEPARATOR = bytes.fromhex("d5a17abc3865df5c1400c0299bd4ce2eefc8114aec5f9d3dded1745783e57b98")


@dataclass(frozen=True, kw_only=True)
class Contracts:
    """Addresses of everything that is not a coin or a pool."""

    weth: str
    usdc: str
    multicall3: str = MULTICALL3
    permit2: str = PERMIT2
    v2_factory: str
    v2_router: str
    v3_factory: str
    v3_router: str  # SwapRouter: structs carry a deadline
    v3_router02: str  # SwapRouter02: they do not
    v3_quoter: str  # QuoterV2
    v3_positions: str  # NonfungiblePositionManager
    market_maker: str

    def as_dict(self) -> dict[str, str]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


def place_canonical(node: LocalNode, chain_id: int) -> None:
    """Puts Multicall3 and Permit2 where they are on every chain."""
    node.set_code(MULTICALL3, _code("multicall3"))
    node.set_code(PERMIT2, permit2_code(chain_id))


def permit2_code(chain_id: int) -> bytes:
    """Permit2's code with the domain separator of its canonical address cached for chain 31337, which it has built in."""
    code = _code("permit2")
    if chain_id != _PERMIT2_BUILT_IN_CHAIN:
        return code  # then it computes the separator from the chain id and its own address
    return code.replace(_PERMIT2_BUILT_IN_SEPARATOR, permit2_domain_separator(chain_id))


def permit2_domain_separator(chain_id: int) -> bytes:
    """EIP-712 domain separator of Permit2 on a chain."""
    domain = keccak(text="EIP712Domain(string name,uint256 chainId,address verifyingContract)")
    return keccak(
        encode(["bytes32", "bytes32", "uint256", "address"], [domain, keccak(text="Permit2"), chain_id, PERMIT2])
    )


def v2_pair_address(factory: str, token_a: str, token_b: str) -> str:
    """Where Uniswap V2's factory creates the pair of two tokens."""
    token0, token1 = sorted((_bytes(token_a), _bytes(token_b)))
    return _create2(factory, keccak(token0 + token1), V2_PAIR_INIT_CODE_HASH)


def v3_pool_address(factory: str, token_a: str, token_b: str, fee: int) -> str:
    """Where Uniswap V3's factory creates the pool of two tokens with `fee` {1e-6}."""
    token0, token1 = sorted((_bytes(token_a), _bytes(token_b)))
    salt = keccak(token0.rjust(32, b"\0") + token1.rjust(32, b"\0") + fee.to_bytes(32))
    return _create2(factory, salt, V3_POOL_INIT_CODE_HASH)


def _create2(deployer: str, salt: bytes, init_code_hash: str) -> str:
    digest = keccak(b"\xff" + _bytes(deployer) + salt + bytes.fromhex(init_code_hash[2:]))
    return to_checksum_address(digest[12:])


def _bytes(address: str) -> bytes:
    return bytes.fromhex(address[2:])


@cache
def _code(name: str) -> bytes:
    return bytes.fromhex("".join((_DATA / f"{name}.hex").read_text().split()))
