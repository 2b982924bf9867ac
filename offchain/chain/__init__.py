"""The border to a chain: start reading at `client.py` (how to reach a node), then `artifacts.py` and `transactions.py`."""
