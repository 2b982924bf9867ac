"""A local market that behaves like one: genuine Uniswap, Chainlink proxies and WETH on anvil, priced from a market file.

Start reading at `world.py` (what there is and how it moves), then `node.py` (the anvil process). `python -m
offchain.devnet` leaves one open. Imports nothing of brownie.
"""
