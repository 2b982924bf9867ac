"""How much is traded, whether it is more than usual, and how much can be traded without moving the price."""

from __future__ import annotations

import numpy as np

from offchain.features.feature import Days, Feature
from offchain.features.windows import (
    across,
    before,
    change,
    correlation,
    covariance,
    deviation,
    difference,
    divide,
    highest,
    lowest,
    mean,
    newest,
    power_of_ten,
    tanh,
    total,
)
from offchain.market.history import Floats

MFI = 14
MILLION = 1e6


def _volume_change(days: Days) -> Floats:
    weekly = mean(days["volume"], 7)
    return divide(weekly[7:], before(weekly, 7)) - 1.0


def _volume_trend(days: Days) -> Floats:
    volume = days["volume"]
    return divide(newest(mean(volume, 7), days.rows), mean(volume, 30)) - 1.0


def _volume_zscore(days: Days) -> Floats:
    volume = days["volume"]
    earlier = before(volume, 1)
    return divide(newest(volume, days.rows) - mean(earlier, 30), deviation(earlier, 30))


def _consistency(days: Days) -> Floats:
    return 1.0 / (1.0 + divide(deviation(days["volume"], 90), mean(days["volume"], 90)))


def _balance(days: Days) -> Floats:
    signed = np.sign(difference(days["price"], 1)) * newest(days["volume"], len(days["price"]) - 1)
    return divide(total(signed, 30), total(newest(days["volume"], len(signed)), 30))


def _money_flow(typical: Floats, volume: Floats) -> Floats:
    """100 · rising / (rising + falling) of 14 days; days on which the typical price stays count to neither."""
    moves = difference(typical, 1)
    flow = newest(volume, len(moves))
    rising = total(np.where(moves > 0.0, flow, 0.0), MFI)
    falling = total(np.where(moves < 0.0, flow, 0.0), MFI)
    return 100.0 * divide(rising, rising + falling)


def _chaikin(days: Days) -> Floats:
    high, low, price, volume = days["high"], days["low"], days["price"], days["volume"]
    location = np.where(high == low, 0.0, divide(2.0 * price - high - low, high - low))
    return divide(total(location * volume, 20), total(volume, 20))


def _average_price(days: Days) -> Floats:
    price, volume = days["price"], days["volume"]
    paid = divide(total(volume, 30), total(volume / price, 30))
    return divide(newest(price, days.rows), paid) - 1.0


def _together(days: Days) -> Floats:
    return correlation(difference(days.log("price"), 1), difference(days.log("volume"), 1), 30)


def _amihud(window: int) -> Feature:
    def work(days: Days) -> Floats:
        moves = np.abs(change(days["price"], 1))
        return mean(divide(moves, newest(days["volume"], len(moves))), window) * MILLION

    return Feature(
        name=f"amihud_{window}d",
        group="liquidity",
        unit="1 per million USD",
        fields={"price": window + 1, "volume": window},
        doc=f"Mean of |daily return| over volume of {window} days: what a million dollars moves; unknown with an idle day.",
        source="Amihud (2002)",
        work=work,
    )


def _turnover(window: int) -> Feature:
    return Feature(
        name=f"turnover_{window}d",
        group="liquidity",
        unit="per day",
        fields={"volume": window, "market_cap": window},
        doc=f"Volume over market cap, mean of {window} day{'s' if window > 1 else ''}.",
        source="Datar, Naik and Radcliffe (1998)",
        work=lambda days: mean(divide(days["volume"], days["market_cap"]), window),
    )


def _idle_days(days: Days) -> Floats:
    return total(np.where(days["volume"] > 0.0, 0.0, 1.0), 30)


def _still_days(days: Days) -> Floats:
    moves = difference(days["price"], 1)
    return mean(np.where(np.isnan(moves), np.nan, moves == 0.0), 30)


def _roll_spread(days: Days) -> Floats:
    returns = days.returns
    turning = covariance(returns[1:], before(returns, 1), 30)
    return 2.0 * np.sqrt(np.maximum(-turning, 0.0))


def _corwin_schultz(days: Days) -> Floats:
    """β from the ranges of two days, γ from their joint range; a negative daily spread counts as 0, as the authors advise."""
    high, low = days.log("high"), days.log("low")
    squares = (high - low) * (high - low)
    beta = squares[1:] + before(squares, 1)
    joint = highest(high, 2) - lowest(low, 2)
    root = 3.0 - 2.0 * np.sqrt(2.0)
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / root - np.sqrt(joint * joint / root)
    # 2 (e^α − 1) / (e^α + 1), written so that no exponential is needed
    return mean(np.maximum(2.0 * tanh(alpha / 2.0), 0.0), 30)


def _volume_share(days: Days) -> Floats:
    volume = days["volume"]
    return divide(volume, across(volume))


VOLUME = (
    Feature(
        name="volume_level_30d",
        group="volume",
        unit="log10 USD per 24 h",
        fields={"volume": 30},
        doc="Power of ten of the mean volume of 30 days; unknown without any.",
        source="Liu, Tsyvinski and Wu (2022), dollar volume",
        work=lambda days: power_of_ten(mean(days["volume"], 30)),
    ),
    Feature(
        name="volume_change_7d",
        group="volume",
        unit="1",
        fields={"volume": 14},
        doc="Volume of the last 7 days / that of the 7 days before − 1.",
        source="definition",
        work=_volume_change,
    ),
    Feature(
        name="volume_trend_7d_30d",
        group="volume",
        unit="1",
        fields={"volume": 30},
        doc="Mean volume of 7 days / mean of 30 days − 1.",
        source="definition",
        work=_volume_trend,
    ),
    Feature(
        name="volume_zscore_30d",
        group="volume",
        unit="deviations",
        fields={"volume": 31},
        doc="Volume of the newest day minus the mean of the 30 days before it, over their deviation.",
        source="Gervais, Kaniel and Mingelgrin (2001), abnormal volume",
        work=_volume_zscore,
    ),
    Feature(
        name="volume_consistency_90d",
        group="volume",
        unit="0..1",
        fields={"volume": 90},
        doc="1 / (1 + deviation / mean) of 90 days of volume: 1 when every day is alike.",
        source="Chordia, Subrahmanyam and Anshuman (2001), variability of volume",
        work=_consistency,
    ),
    Feature(
        name="obv_change_30d",
        group="volume",
        unit="-1..1",
        fields={"price": 31, "volume": 30},
        doc="Change of on-balance volume in 30 days over the volume of these days; its level, which depends on the start, is not used.",
        source="Granville (1963)",
        work=_balance,
    ),
    Feature(
        name="mfi_14",
        group="volume",
        unit="0..100",
        fields={"high": 15, "low": 15, "price": 15, "volume": 14},
        doc="Money flow index: volume of the days on which (high + low + price) / 3 rose, in percent of all that moved.",
        source="Quong and Soudack (1989)",
        work=lambda days: _money_flow((days["high"] + days["low"] + days["price"]) / 3.0, days["volume"]),
    ),
    Feature(
        name="mfi_close_14",
        group="volume",
        unit="0..100",
        fields={"price": 15, "volume": 14},
        doc="The same with the price in place of (high + low + price) / 3.",
        source="Quong and Soudack (1989), from prices only",
        work=lambda days: _money_flow(days["price"], days["volume"]),
    ),
    Feature(
        name="chaikin_money_flow_20",
        group="volume",
        unit="-1..1",
        fields={"high": 20, "low": 20, "price": 20, "volume": 20},
        doc="Volume weighted by where the price closed in its day's range, over volume, 20 days; a day without range counts 0.",
        source="Chaikin, money flow",
        work=_chaikin,
    ),
    Feature(
        name="vwap_distance_30d",
        group="volume",
        unit="1",
        fields={"price": 30, "volume": 30},
        doc="price / average price paid in 30 days − 1.",
        source="Berkowitz, Logue and Noser (1988), volume-weighted average price",
        work=_average_price,
    ),
    Feature(
        name="price_volume_correlation_30d",
        group="volume",
        unit="-1..1",
        fields={"price": 31, "volume": 31},
        doc="Correlation of the daily log changes of price and volume over 30 days; unknown with an idle day.",
        source="Karpoff (1987)",
        work=_together,
    ),
)

LIQUIDITY = (
    *(_amihud(window) for window in (30, 90)),
    *(_turnover(window) for window in (1, 30)),
    Feature(
        name="idle_days_30d",
        group="liquidity",
        unit="days",
        counted={"volume": 30},
        doc="Days of the last 30 on which no volume was seen, or none is known.",
        source="Liu (2006), days without trading",
        work=_idle_days,
    ),
    Feature(
        name="still_days_30d",
        group="liquidity",
        unit="0..1",
        fields={"price": 31},
        doc="Part of the last 30 days on which the price did not move at all.",
        source="Lesmond, Ogden and Trzcinka (1999)",
        work=_still_days,
    ),
    Feature(
        name="roll_spread_30d",
        group="liquidity",
        unit="1",
        fields={"price": 32},
        doc="Spread implied by 30 returns that turn back: 2 √−cov(today, yesterday), 0 when they do not.",
        source="Roll (1984)",
        work=_roll_spread,
    ),
    Feature(
        name="corwin_schultz_spread_30d",
        group="liquidity",
        unit="1",
        fields={"high": 31, "low": 31},
        doc="Spread implied by the ranges of one and of two days, mean of 30; negative ones count as 0.",
        source="Corwin and Schultz (2012)",
        work=_corwin_schultz,
    ),
    Feature(
        name="venue_volume_level_7d",
        group="liquidity",
        unit="log10 USD per 24 h",
        fields={"venue_volume": 7},
        doc="Power of ten of the mean volume of 7 days on the venues that we can trade on; unknown without any.",
        source="definition",
        work=lambda days: power_of_ten(mean(days["venue_volume"], 7)),
    ),
    Feature(
        name="venue_share_7d",
        group="liquidity",
        unit="of the volume",
        fields={"venue_volume": 7, "volume": 7},
        doc="Part of the volume of 7 days that was traded where we can trade.",
        source="definition",
        work=lambda days: divide(total(days["venue_volume"], 7), total(days["volume"], 7)),
    ),
    Feature(
        name="volume_share",
        group="liquidity",
        unit="of the market",
        fields={"volume": 1},
        market={"volume": 1},
        doc="Volume over that of all coins.",
        source="definition",
        work=_volume_share,
    ),
    Feature(
        name="listings",
        group="liquidity",
        unit="venues",
        fields={"listings": 1},
        doc="Venues that list the coin.",
        source="definition",
        work=lambda days: days["listings"],
    ),
    Feature(
        name="listings_change_30d",
        group="liquidity",
        unit="venues",
        fields={"listings": 31},
        doc="Venues that list the coin now minus 30 days ago.",
        source="definition",
        work=lambda days: difference(days["listings"], 30),
    ),
)
