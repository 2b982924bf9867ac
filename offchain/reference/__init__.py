"""Every on-chain formula as exact Python integers, held to the contracts by tests/properties.

Start reading at `integers.py` (the EVM's arithmetic), then one file per Solidity file: `fee_math`, `basket_math`,
`trade_math`, `budget_math`, `price_math`. `model.py` puts them together: a whole index, its guard and its plan. Only
integers; what a contract refuses raises `Reverted` with the name of the contract's error.
"""

from offchain.reference.basket_math import SupplyWord
from offchain.reference.integers import Reverted

__all__ = ["Reverted", "SupplyWord"]
