"""A coin among the others: how it moves with them, how it ranks, what its sector does, whether its trend has gone too far."""

from __future__ import annotations

import numpy as np

from offchain.features.feature import YEAR, Days, Feature
from offchain.features.windows import (
    before,
    change,
    correlation,
    covariance,
    deviation,
    difference,
    divide,
    mean,
    median_across,
    mid_ranks,
    moment,
    natural_log,
    newest,
    significant,
)
from offchain.market.history import Floats

SECTOR_MEMBERS = 3


def _beta(returns: Floats, line: Floats, window: int) -> Floats:
    return divide(covariance(returns, line, window), moment(line, window, 2))


def _with(kind: str) -> tuple[Feature, ...]:
    """Beta and correlation to bitcoin or to the market."""
    is_bitcoin = kind == "bitcoin"

    def line(days: Days, returns: Floats) -> Floats:
        return days.bitcoin(returns) if is_bitcoin else days.market_return

    def beta(days: Days) -> Floats:
        returns = change(days["price"], 1)
        return _beta(returns, line(days, returns), 90)

    def together(days: Days) -> Floats:
        returns = change(days["price"], 1)
        return correlation(returns, line(days, returns), 90)

    what = "bitcoin" if is_bitcoin else "all coins by market cap"
    market = {"price": 91} if is_bitcoin else {"price": 91, "market_cap": 91}
    return (
        Feature(
            name=f"beta_{kind}_90d",
            group="cross-section",
            unit="1",
            fields={"price": 91},
            market=market,
            doc=f"Slope of 90 daily returns on those of {what}.",
            source="Sharpe (1964)",
            reads_bitcoin=is_bitcoin,
            work=beta,
        ),
        Feature(
            name=f"correlation_{kind}_90d",
            group="cross-section",
            unit="-1..1",
            fields={"price": 91},
            market=market,
            doc=f"Correlation of 90 daily returns with those of {what}; unknown when the price does not move.",
            source="Pearson (1895)",
            reads_bitcoin=is_bitcoin,
            work=together,
        ),
    )


def _idiosyncratic(days: Days) -> Floats:
    returns, line = change(days["price"], 1), days.market_return
    slope = _beta(returns, line, 90)
    rest = moment(returns, 90, 2) - slope * slope * moment(line, 90, 2)
    return np.sqrt(np.maximum(rest, 0.0) * (90.0 / 88.0) * YEAR)


def _alpha(days: Days) -> Floats:
    returns, line = change(days["price"], 1), days.market_return
    return (mean(returns, 90) - _beta(returns, line, 90) * mean(line, 90)) * YEAR


def _downside_beta(days: Days) -> Floats:
    """The market's falls only: a day on which it rose counts as no move of either."""
    returns, line = change(days["price"], 1), days.market_return
    falls = np.minimum(line, 0.0)
    return divide(mean(np.where(line < 0.0, returns, 0.0) * falls, 90), mean(falls * falls, 90))


def _percentile(x: Floats) -> Floats:
    """Part of the known coins of the day that are lower, equal ones counted half; on 12 digits, so that ties are ties."""
    rounded = significant(x)
    counts = np.maximum((~np.isnan(rounded)).sum(axis=1, keepdims=True), 1)
    return (mid_ranks(rounded) - 0.5) / counts


def _cap_rank(days: Days) -> Floats:
    return mid_ranks(-days["market_cap"])


def _market_share(days: Days) -> Floats:
    return divide(days["market_cap"], days.total_cap)


def _relative_strength(days: Days) -> Floats:
    moved = change(days["price"], 30)
    return moved - median_across(moved)


def _sector_returns(days: Days) -> Floats:
    """Mean, over the coin's tags, of the median 30-day return of the coins that carry the tag; from three on."""
    moved = change(days["price"], 30)
    sums, counts = np.zeros_like(moved), np.zeros_like(moved)
    for columns in days.sectors.values():
        inside = moved[:, columns]
        enough = (~np.isnan(inside)).sum(axis=1, keepdims=True) >= SECTOR_MEMBERS
        middle = median_across(inside)
        sums[:, columns] += np.where(enough, middle, 0.0)
        counts[:, columns] += enough
    return divide(sums, counts)


def _sector_strength(days: Days) -> Floats:
    return _sector_returns(days) - median_across(change(days["price"], 30))


def _sector_relative(days: Days) -> Floats:
    return change(days["price"], 30) - _sector_returns(days)


def _surge(x: Floats) -> Floats:
    """Mean of the last 7 days over that of the 30 days before them."""
    return divide(mean(x[30:], 7), mean(before(x, 7), 30))


def _trending(days: Days) -> Floats:
    rise = newest(change(days["price"], 7), days.rows)
    return (_percentile(_surge(days["volume"])) + _percentile(rise)) / 2.0


def _trending_mentions(days: Days) -> Floats:
    return _percentile(_surge(days["mentions"]))


def _over_extension(days: Days, support: Floats) -> Floats:
    log = days.log("price")
    rise = newest(difference(log, 7), days.rows)
    usual = deviation(before(days.returns, 7), 90) * np.sqrt(7.0)
    surge = _surge(support)
    borne = np.clip(np.where(surge <= 0.0, 0.0, natural_log(surge) / rise), 0.0, 1.0)
    return np.where(rise > 0.0, divide(rise, usual) * (1.0 - borne), 0.0)


def _extension(name: str, field: str, what: str) -> Feature:
    return Feature(
        name=name,
        group="cross-section",
        unit="usual weeks",
        fields={"price": 98, field: 37},
        doc=f"A rise of 7 days in units of a usual week, times the part of it that {what} did not rise along with; 0 after a fall.",
        source="own",
        work=lambda days: _over_extension(days, days[field]),
    )


def _exhaustion(days: Days) -> Floats:
    log, volume = days.log("price"), days["volume"]
    direction = np.sign(newest(days["price"], days.rows) - newest(mean(days["price"], 50), days.rows))
    moved = difference(log, 14)
    slower = newest(before(moved, 14), days.rows) - newest(moved, days.rows)
    usual = deviation(days.returns, 90) * np.sqrt(14.0)
    traded = mean(volume, 14)
    drier = natural_log(divide(before(traded, 14), traded[14:]))
    return direction * (np.maximum(direction * divide(slower, usual), 0.0) + np.maximum(drier, 0.0)) / 2.0


CROSS_SECTION = (
    *_with("bitcoin"),
    *_with("market"),
    Feature(
        name="downside_beta_market_90d",
        group="cross-section",
        unit="1",
        fields={"price": 91},
        market={"price": 91, "market_cap": 91},
        doc="Slope of the returns on those of all coins by market cap, through the origin, on the days of 90 on which these fell.",
        source="Bawa and Lindenberg (1977)",
        work=_downside_beta,
    ),
    Feature(
        name="idiosyncratic_volatility_90d",
        group="cross-section",
        unit="1/√year",
        fields={"price": 91},
        market={"price": 91, "market_cap": 91},
        doc="Deviation (n − 2) of what 90 daily returns have beyond beta × those of all coins by market cap, × √365.",
        source="Ang, Hodrick, Xing and Zhang (2006)",
        work=_idiosyncratic,
    ),
    Feature(
        name="alpha_market_90d",
        group="cross-section",
        unit="1/year",
        fields={"price": 91},
        market={"price": 91, "market_cap": 91},
        doc="Mean daily return minus beta × that of all coins by market cap, 90 days, × 365.",
        source="Jensen (1968)",
        work=_alpha,
    ),
    Feature(
        name="cap_rank",
        group="cross-section",
        unit="rank",
        fields={"market_cap": 1},
        market={"market_cap": 1},
        doc="1 for the largest market cap; equal ones share the mean of their ranks.",
        source="definition",
        work=_cap_rank,
    ),
    Feature(
        name="market_share",
        group="cross-section",
        unit="of the market cap",
        fields={"market_cap": 1},
        market={"market_cap": 1},
        doc="Market cap over that of all coins.",
        source="definition",
        work=_market_share,
    ),
    Feature(
        name="market_share_change_30d",
        group="cross-section",
        unit="1",
        fields={"market_cap": 31},
        market={"market_cap": 31},
        doc="That share / the same 30 days before − 1.",
        source="definition",
        work=lambda days: change(_market_share(days), 30),
    ),
    Feature(
        name="relative_strength_30d",
        group="cross-section",
        unit="1",
        fields={"price": 31},
        market={"price": 31},
        doc="Return of 30 days minus the median of all coins.",
        source="Levy (1967)",
        work=_relative_strength,
    ),
    Feature(
        name="momentum_rank_90d",
        group="cross-section",
        unit="0..1",
        fields={"price": 91},
        market={"price": 91},
        doc="Part of the coins whose return of 90 days is lower, equal ones counted half.",
        source="Jegadeesh and Titman (1993)",
        work=lambda days: _percentile(change(days["price"], 90)),
    ),
    Feature(
        name="volume_rank_30d",
        group="cross-section",
        unit="0..1",
        fields={"volume": 30},
        market={"volume": 30},
        doc="Part of the coins whose mean volume of 30 days is lower, equal ones counted half.",
        source="Liu, Tsyvinski and Wu (2022)",
        work=lambda days: _percentile(mean(days["volume"], 30)),
    ),
    Feature(
        name="sector_strength_30d",
        group="cross-section",
        unit="1",
        fields={"price": 1},
        market={"price": 31},
        doc="Median return of 30 days of the coins with the same tag, minus that of all; mean over the tags; three coins at least.",
        source="Moskowitz and Grinblatt (1999)",
        reads_tags=True,
        work=_sector_strength,
    ),
    Feature(
        name="sector_relative_30d",
        group="cross-section",
        unit="1",
        fields={"price": 31},
        market={"price": 31},
        doc="Return of 30 days minus the median of the coins with the same tag; mean over the tags; three coins at least.",
        source="Moskowitz and Grinblatt (1999)",
        reads_tags=True,
        work=_sector_relative,
    ),
    Feature(
        name="trending_7d",
        group="cross-section",
        unit="0..1",
        fields={"price": 8, "volume": 37},
        market={"price": 8, "volume": 37},
        doc="Mean of two ranks among all coins: volume of 7 days over that of the 30 days before, and return of 7 days.",
        source="own",
        work=_trending,
    ),
    Feature(
        name="trending_mentions_7d",
        group="cross-section",
        unit="0..1",
        fields={"mentions": 37},
        market={"mentions": 37},
        doc="Rank among all coins of the texts of 7 days over those of the 30 days before.",
        source="own",
        work=_trending_mentions,
    ),
    _extension("over_extension_volume_7d", "volume", "volume"),
    _extension("over_extension_addresses_7d", "active_addresses", "the number of active addresses"),
    Feature(
        name="trend_exhaustion_14d",
        group="cross-section",
        unit="usual fortnights",
        fields={"price": 91, "volume": 28},
        doc="How much slower (in usual fortnights) and drier (log of volume) the last 14 days were than the 14 before, halved; "
        "above 0 when a rise tires (price above its mean of 50 days), below 0 when a fall does.",
        source="own",
        work=_exhaustion,
    ),
)
