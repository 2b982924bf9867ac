"""A local market that behaves like one: genuine Uniswap, Chainlink proxies and WETH on anvil, priced from a market file.

Start reading at `world.py` (what there is and how it moves), then `anvil.py` (the process). `python -m offchain.devnet`
leaves one open. Imports nothing of brownie.
"""

from offchain.devnet.anvil import Anvil
from offchain.devnet.listing import Pool, Token
from offchain.devnet.node import LocalNode
from offchain.devnet.quotes import choose_coins
from offchain.devnet.world import Devnet

__all__ = ["Anvil", "Devnet", "LocalNode", "Pool", "Token", "choose_coins"]
