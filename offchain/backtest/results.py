"""What a backtest leaves behind: levels, holdings, trades, fees and decisions, as plain data for tables and reports."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from offchain.backtest.solve import Floats
from offchain.canonical import canonical_json, keccak_hex, utc_text
from offchain.errors import MarketDataError
from offchain.units import D27, NANO

FORMAT = "ballast-run/1"
BASE = 1_000.0
LEVEL_DECIMALS = 8


@dataclass(frozen=True, kw_only=True)
class Trade:
    """One coin bought or sold. `quantity`: coins, negative when sold; `price` USD; `value` USD, always positive; what it cost in
    USD by kind; `decision`: hash of the decision it follows; `reason`: why, in words.
    """

    time: datetime
    id: str
    side: str
    quantity: float
    price: float
    value: float
    fee: float
    spread: float
    impact: float
    gas: float
    weight_before: float
    weight_after: float
    decision: str
    reason: str

    @property
    def cost(self) -> float:
        """USD, without the gas."""
        return self.fee + self.spread + self.impact


@dataclass(frozen=True, kw_only=True)
class Review:
    """One look at the rules. `time`: of the decision; `traded_at`: when it was carried out, None when nothing was traded, for
    `reason`. `weights` {id: D18}: what was wanted; `drift`: part of 1; `turnover` and `cost`: parts of the value before; `gas` USD.
    """

    time: datetime
    traded_at: datetime | None
    decision: str
    weights: Mapping[str, int]
    drift: float
    turnover: float
    cost: float
    gas: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Charge:
    """Shares that a fee minted on a day. `usd`: at that day's NAV per share."""

    time: datetime
    kind: str
    shares: int
    usd: float


@dataclass(frozen=True, kw_only=True)
class Flow:
    """An investor comes or goes on a day, after its trades. `usd`: what he pays or takes out, at NAV."""

    time: datetime
    kind: str
    usd: float

    def __post_init__(self) -> None:
        if self.kind not in ("mint", "redeem") or not self.usd > 0.0:
            raise MarketDataError(f'flow {self.kind} of {self.usd} USD; write "mint" or "redeem" of more than 0')


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One backtest. Rows are `times`, columns are `ids`: every coin that was ever held.

    `gross`: level without costs and fees, BASE at first; `net`: NAV per share, BASE at first before the first trades.
    `nav`: USD of the basket; `nav_per_share` D27{nUSD/share}; `supply` {share}. `prices` USD, `units` coins after the row's trades.
    `status`: simulated, live or restated. `parameters`: everything else that the numbers depend on, as text.
    """

    symbol: str
    times: tuple[datetime, ...]
    gross: Floats
    net: Floats
    nav: Floats
    nav_per_share: tuple[int, ...]
    supply: tuple[int, ...]
    ids: tuple[str, ...]
    prices: Floats
    units: Floats
    trades: tuple[Trade, ...]
    reviews: tuple[Review, ...]
    charges: tuple[Charge, ...]
    decisions: tuple[object, ...]
    findings: tuple[str, ...]
    parameters: Mapping[str, str]
    status: str = "simulated"

    def __len__(self) -> int:
        return len(self.times)

    @property
    def index(self) -> pd.DatetimeIndex:
        """`times`, for tables."""
        return pd.DatetimeIndex(self.times, name="time")

    @cached_property
    def weights(self) -> Floats:
        """times × ids: parts of the value after the row's trades."""
        values = self.units * self.prices
        return np.asarray(values / values.sum(axis=1, keepdims=True))

    @property
    def levels(self) -> pd.DataFrame:
        """time → gross, net (BASE at first), nav (USD)."""
        return pd.DataFrame({"gross": self.gross, "net": self.net, "nav": self.nav}, index=self.index)

    def returns(self, of: str = "net") -> pd.Series:
        """Return of each row on the row before; the first row's on BASE."""
        levels = self.net if of == "net" else self.gross
        return pd.Series(levels / np.concatenate([[BASE], levels[:-1]]) - 1.0, index=self.index, name=of)

    @property
    def turnover(self) -> float:
        """Sum of one-way turnovers after the first purchase, part of the value."""
        return float(sum(review.turnover for review in self.reviews[1:]))

    @property
    def rebalances(self) -> int:
        """Reviews that traded, the first purchase left out."""
        return sum(1 for review in self.reviews[1:] if review.traded_at is not None)

    @property
    def costs(self) -> dict[str, float]:
        """USD by kind over the whole run."""
        return {
            "fee": sum(trade.fee for trade in self.trades),
            "spread": sum(trade.spread for trade in self.trades),
            "impact": sum(trade.impact for trade in self.trades),
            "gas": sum(review.gas for review in self.reviews),
        }

    @property
    def fees(self) -> dict[str, tuple[int, float]]:
        """{kind: (shares, USD)} that each fee minted."""
        kinds = dict.fromkeys(charge.kind for charge in self.charges)
        return {
            kind: (
                sum(charge.shares for charge in self.charges if charge.kind == kind),
                sum(charge.usd for charge in self.charges if charge.kind == kind),
            )
            for kind in kinds
        }

    def holdings(self, t: datetime) -> dict[str, float]:
        """{id: weight} after the trades of the last row at or before `t`, zero ones left out."""
        row = int(self.index.searchsorted(pd.Timestamp(t), side="right")) - 1
        if row < 0:
            raise MarketDataError(
                f"{self.symbol} holds nothing at {utc_text(t)}; its first day is {utc_text(self.times[0])}"
            )
        return {name: weight for name, weight in zip(self.ids, self.weights[row].tolist(), strict=True) if weight > 0.0}

    @cached_property
    def run_hash(self) -> str:
        """keccak256 of levels to LEVEL_DECIMALS, NAV per share, decisions and parameters."""
        return keccak_hex(self._summary())

    def to_json(self) -> str:
        """Canonical JSON: levels, reviews, trades, fees, findings, parameters."""
        return canonical_json(
            {
                **self._summary(),
                "run_hash": self.run_hash,
                "trades": self.trades,
                "reviews": self.reviews,
                "charges": self.charges,
                "findings": self.findings,
            }
        )

    def levels_csv(self) -> str:
        """time, gross, net, nav, nav_per_share (USD), supply (whole shares)."""
        table = self.levels.assign(
            nav_per_share=[value * 10**18 / D27 / NANO for value in self.nav_per_share],
            supply=[value / 10**18 for value in self.supply],
        )
        return str(table.round(LEVEL_DECIMALS).to_csv(lineterminator="\n"))

    def trades_csv(self) -> str:
        """One line a trade."""
        return _csv(self.trades_table())

    def trades_table(self) -> pd.DataFrame:
        """One row a trade, columns as in Trade."""
        return pd.DataFrame([asdict(trade) for trade in self.trades], columns=[row.name for row in fields(Trade)])

    def reviews_table(self) -> pd.DataFrame:
        """One row a review, weights left out."""
        names = [row.name for row in fields(Review) if row.name != "weights"]
        return pd.DataFrame([{name: getattr(one, name) for name in names} for one in self.reviews], columns=names)

    def weights_table(self) -> pd.DataFrame:
        """time × id, parts of 1."""
        return pd.DataFrame(self.weights, index=self.index, columns=list(self.ids))

    def write(self, folder: Path) -> list[Path]:
        """run.json, levels.csv, trades.csv, and the same with weights as Parquet; returns the files."""
        folder.mkdir(parents=True, exist_ok=True)
        texts = {"run.json": self.to_json(), "levels.csv": self.levels_csv(), "trades.csv": self.trades_csv()}
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        tables = {"levels": self.levels, "weights": self.weights_table(), "trades": self.trades_table()}
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}.parquet")
        return [folder / name for name in [*texts, *(f"{name}.parquet" for name in tables)]]

    def _summary(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "symbol": self.symbol,
            "status": self.status,
            "times": [utc_text(time) for time in self.times],
            "gross": [round(value, LEVEL_DECIMALS) for value in self.gross.tolist()],
            "net": [round(value, LEVEL_DECIMALS) for value in self.net.tolist()],
            "nav_per_share": self.nav_per_share,
            "supply": self.supply,
            "decisions": [review.decision for review in self.reviews],
            "parameters": self.parameters,
        }


def _csv(table: pd.DataFrame) -> str:
    text = io.StringIO()
    table.to_csv(text, index=False, lineterminator="\n")
    return text.getvalue()
