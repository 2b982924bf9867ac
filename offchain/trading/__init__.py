"""Trading: exact pool arithmetic, routes, expected cost, and the plan. Start at `plan.py`; nothing here asks a chain."""

from offchain.trading.plan import Budget, Position, Rules, Trade, TradePlan, plan_trades

__all__ = ["Budget", "Position", "Rules", "Trade", "TradePlan", "plan_trades"]
