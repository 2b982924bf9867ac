"""Bullish, neutral or bearish, and how sure: from features to a label for each coin. Start at `outcome.py`."""
