"""Ballast off chain: market data in, a verifiable decision out, a keeper that carries it to the chain.

Start reading at `methodology.py`; `spec/model.py` says what an index file holds. Imports only go down:
units, errors → spec → market → universe, weights → methodology → backtest | chain → keeper → cli, dashboard.
Importing this package opens no connection and never imports brownie.
"""
