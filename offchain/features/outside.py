"""What people say about a coin, and what goes on around all coins: bitcoin's share, the market's breadth, rates, stocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from offchain.features.feature import YEAR, Days, Feature
from offchain.features.windows import (
    across,
    before,
    change,
    correlation,
    days_of,
    deviation,
    difference,
    divide,
    mean,
    median_across,
    newest,
)
from offchain.market.history import Floats


def _surprise(x: Floats) -> Floats:
    """Newest day minus the mean of the 30 days before it, over their deviation."""
    earlier = before(x, 1)
    centre = mean(earlier, 30)
    return divide(newest(x, len(centre)) - centre, deviation(earlier, 30))


def _sentiment_change(days: Days) -> Floats:
    mood = days["sentiment"]
    return newest(mean(mood, 7), days.rows) - mean(mood, 30)


def _mentions_growth(days: Days) -> Floats:
    said = days["mentions"]
    return divide(newest(mean(said, 7), days.rows), mean(said, 30)) - 1.0


def _sentiment_divergence(days: Days) -> Floats:
    """Both in usual moves, so that they can be subtracted."""
    mood, log = days["sentiment"], days.log("price")
    weekly = mean(mood, 7)
    moved_mood = divide(difference(weekly, 23), deviation(mood, 30))
    moved_price = divide(difference(log, 30), deviation(days.returns, 30) * np.sqrt(30.0))
    return moved_mood - moved_price


SENTIMENT = (
    Feature(
        name="sentiment_7d",
        group="sentiment",
        unit="-1..1",
        fields={"sentiment": 7},
        doc="Mean score of the texts about the coin over 7 days.",
        source="Tetlock (2007)",
        work=lambda days: mean(days["sentiment"], 7),
    ),
    Feature(
        name="sentiment_change_7d_30d",
        group="sentiment",
        unit="1",
        fields={"sentiment": 30},
        doc="Mean score of 7 days minus that of 30 days.",
        source="Tetlock (2007)",
        work=_sentiment_change,
    ),
    Feature(
        name="sentiment_surprise_30d",
        group="sentiment",
        unit="deviations",
        fields={"sentiment": 31},
        doc="Score of the newest day minus the mean of the 30 days before it, over their deviation.",
        source="Garcia (2013)",
        work=lambda days: _surprise(days["sentiment"]),
    ),
    Feature(
        name="sentiment_divergence_30d",
        group="sentiment",
        unit="usual moves",
        fields={"sentiment": 30, "price": 31},
        doc="Change of the weekly score minus the price's log return, about a month, each over its own deviation.",
        source="own, after Baker and Wurgler (2006)",
        work=_sentiment_divergence,
    ),
    Feature(
        name="sentiment_relative_7d",
        group="sentiment",
        unit="1",
        fields={"sentiment": 7},
        market={"market_sentiment": 7},
        doc="Mean score of the coin minus that of the market over 7 days.",
        source="own",
        work=lambda days: mean(days["sentiment"], 7) - mean(days["market_sentiment"], 7),
    ),
    Feature(
        name="market_sentiment_7d",
        group="sentiment",
        unit="-1..1",
        market={"market_sentiment": 7},
        doc="Mean score of the texts about the market over 7 days; the same for all coins.",
        source="Tetlock (2007)",
        work=lambda days: mean(days["market_sentiment"], 7),
    ),
    Feature(
        name="mentions_growth_7d_30d",
        group="sentiment",
        unit="1",
        fields={"mentions": 30},
        doc="Mean number of texts per day of 7 days / mean of 30 days − 1.",
        source="Da, Engelberg and Gao (2011), attention",
        work=_mentions_growth,
    ),
    Feature(
        name="mentions_zscore_30d",
        group="sentiment",
        unit="deviations",
        fields={"mentions": 31},
        doc="Texts of the newest day minus the mean of the 30 days before it, over their deviation.",
        source="Da, Engelberg and Gao (2011), attention",
        work=lambda days: _surprise(days["mentions"]),
    ),
)


def _dominance(days: Days) -> Floats:
    return divide(days.bitcoin(days["market_cap"]), days.total_cap)


def _breadth(span: int) -> Feature:
    def work(days: Days) -> Floats:
        average = mean(days["price"], span)
        price = newest(days["price"], days.rows)
        is_above = np.where(np.isnan(average), np.nan, price > average)
        return across(is_above) / across(np.where(np.isnan(average), np.nan, 1.0))

    return Feature(
        name=f"market_breadth_{span}",
        group="macro",
        unit="0..1",
        market={"price": span},
        doc=f"Part of the coins whose price is above its mean of {span} days; the same for all coins.",
        source="Zweig (1986), market breadth",
        work=work,
    )


def _compound(returns: Floats, window: int) -> Floats:
    answer: Floats | float = 1.0
    for day in days_of(returns, window):
        answer = answer * (1.0 + day)
    return np.asarray(answer) - 1.0


def _market_momentum(window: int) -> Feature:
    return Feature(
        name=f"market_momentum_{window}d",
        group="macro",
        unit="1",
        market={"price": window + 1, "market_cap": window + 1},
        doc=f"Return of all coins by market cap in {window} days; a coin that appears adds nothing. The same for all coins.",
        source="Cooper, Gutierrez and Hameed (2004), state of the market",
        work=lambda days: _compound(days.market_return, window),
    )


def _market_drawdown(days: Days) -> Floats:
    level = peak = np.ones((days.rows, 1))
    for day in days_of(days.market_return, 89):
        level = level * (1.0 + day)
        peak = np.maximum(peak, level)
    return level / peak - 1.0


def _dispersion(days: Days) -> Floats:
    moved = change(days["price"], 30)
    return median_across(np.abs(moved - median_across(moved)))


def _advancing(days: Days) -> Floats:
    moved = difference(days["price"], 7)
    return across(np.where(np.isnan(moved), np.nan, moved > 0.0)) / across(np.where(np.isnan(moved), np.nan, 1.0))


def _market_volume(days: Days) -> Floats:
    traded = across(days["volume"])
    return divide(newest(mean(traded, 7), days.rows), mean(traded, 30)) - 1.0


def _shock(days: Days) -> Floats:
    log = days.log("equities")
    usual = deviation(before(difference(log, 1), 7), 90) * np.sqrt(7.0)
    return divide(newest(difference(log, 7), days.rows), usual)


def _market_shock(days: Days) -> Floats:
    returns = days.market_return
    usual = deviation(before(returns, 7), 90) * np.sqrt(7.0)
    return divide(newest(_compound(returns, 7), days.rows), usual)


def _line(name: str, *, series: str, window: int, unit: str, doc: str, work: Callable[[Floats], Floats]) -> Feature:
    return Feature(
        name=name,
        group="macro",
        unit=unit,
        market={series: window},
        doc=f"{doc} The same for all coins.",
        source="Corbet, Larkin, Lucey, Meegan and Yarovaya (2020), macro news",
        work=lambda days: work(days[series]),
    )


def _moves_with(series: str, what: str) -> Feature:
    def work(days: Days) -> Floats:
        line = days.log(series)
        return correlation(difference(days.log("price"), 7), difference(line, 7), 90)

    return Feature(
        name=f"{series}_correlation_90d",
        group="macro",
        unit="-1..1",
        fields={"price": 97},
        market={series: 97},
        doc=f"Correlation of weekly log changes of the price and {what} that end in the last 90 days.",
        source="Iyer (2022), equity co-movement",
        work=work,
    )


MACRO = (
    Feature(
        name="bitcoin_dominance",
        group="macro",
        unit="of the market cap",
        market={"market_cap": 1},
        doc="Market cap of bitcoin over that of all coins; the same for all coins.",
        source="definition",
        reads_bitcoin=True,
        work=_dominance,
    ),
    Feature(
        name="bitcoin_dominance_change_30d",
        group="macro",
        unit="of the market cap",
        market={"market_cap": 31},
        doc="Bitcoin's part of all market caps minus that of 30 days before; the same for all coins.",
        source="definition",
        reads_bitcoin=True,
        work=lambda days: difference(_dominance(days), 30),
    ),
    *(_breadth(span) for span in (50, 200)),
    Feature(
        name="market_advancing_7d",
        group="macro",
        unit="0..1",
        market={"price": 8},
        doc="Part of the coins whose price is above that of 7 days before; the same for all coins.",
        source="Zweig (1986), advance and decline",
        work=_advancing,
    ),
    *(_market_momentum(window) for window in (30, 90)),
    Feature(
        name="total_cap_change_30d",
        group="macro",
        unit="1",
        market={"market_cap": 31},
        doc="Market cap of all coins / the same 30 days before − 1, newcomers included; the same for all coins.",
        source="definition",
        work=lambda days: change(days.total_cap, 30),
    ),
    Feature(
        name="market_volatility_30d",
        group="macro",
        unit="1/√year",
        market={"price": 31, "market_cap": 31},
        doc="Standard deviation of 30 daily returns of all coins by market cap, × √365; the same for all coins.",
        source="definition",
        work=lambda days: deviation(days.market_return, 30) * np.sqrt(YEAR),
    ),
    Feature(
        name="market_drawdown_90d",
        group="macro",
        unit="-1..0",
        market={"price": 90, "market_cap": 90},
        doc="Fall of all coins by market cap from their highest level of 90 days; the same for all coins.",
        source="definition",
        work=_market_drawdown,
    ),
    Feature(
        name="market_dispersion_30d",
        group="macro",
        unit="1",
        market={"price": 31},
        doc="Median distance of the coins' 30-day returns from their median; the same for all coins.",
        source="Stivers and Sun (2010), return dispersion",
        work=_dispersion,
    ),
    Feature(
        name="market_volume_trend_7d_30d",
        group="macro",
        unit="1",
        market={"volume": 30},
        doc="Mean volume of all coins of 7 days / mean of 30 days − 1; the same for all coins.",
        source="definition",
        work=_market_volume,
    ),
    _line("rates_level", series="rates", window=1, unit="% per year", doc="The short rate.", work=lambda x: x),
    _line(
        "rates_change_30d",
        series="rates",
        window=31,
        unit="% per year",
        doc="The short rate minus that of 30 days before.",
        work=lambda x: difference(x, 30),
    ),
    _line(
        "rates_change_90d",
        series="rates",
        window=91,
        unit="% per year",
        doc="The short rate minus that of 90 days before.",
        work=lambda x: difference(x, 90),
    ),
    _line(
        "equities_change_30d",
        series="equities",
        window=31,
        unit="1",
        doc="The stock index / the same 30 days before − 1.",
        work=lambda x: change(x, 30),
    ),
    _line(
        "dollar_change_30d",
        series="dollar",
        window=31,
        unit="1",
        doc="The dollar index / the same 30 days before − 1.",
        work=lambda x: change(x, 30),
    ),
    Feature(
        name="equities_shock_7d",
        group="macro",
        unit="usual weeks",
        market={"equities": 98},
        doc="Log change of the stock index in 7 days over a usual week of the 90 days before: far below 0 in a flight from risk. "
        "The same for all coins.",
        source="own, after Iyer (2022)",
        work=_shock,
    ),
    Feature(
        name="market_shock_7d",
        group="macro",
        unit="usual weeks",
        market={"price": 98, "market_cap": 98},
        doc="Return of all coins by market cap in 7 days over a usual week of the 90 days before; the same for all coins.",
        source="own",
        work=_market_shock,
    ),
    _moves_with("equities", "the stock index"),
    _moves_with("dollar", "the dollar index"),
)
