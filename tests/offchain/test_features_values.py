"""Each number of the catalogue against another way to reach it.

every feature     pandas, scipy, TA-Lib or the formula written out, on the same days · none is left out
real prices       bitcoin and ether of 2021 against TA-Lib, from the same first day and from a day long before
by hand           numbers that fit on paper: Wilder's index, straight lines, a fall and a rise, a rally without support
on chain          Coin Metrics' own NVT, MVRV and volatility of 2016 to 2019
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
import talib
from feature_histories import DAYS, IDS, LONGEST, NAMES, TAGS, built, clean
from scipy import stats

from offchain.features import FEATURES, compute, compute_panel
from offchain.features.momentum import RSI_DAYS
from offchain.features.trend import ADX_DAYS, MACD_DAYS
from offchain.market import Market, load_onchain
from offchain.market.files import DATA_VARIABLE, market_folder
from offchain.market.history import Floats, History

ROW = LONGEST + DAYS - 4
SERIES_LAG = {"rates": 1, "equities": 0, "dollar": 0, "market_sentiment": 0}


def ema(x: Floats, alpha: float, seed: int) -> float:
    """pandas' recursion, begun with the mean of the first `seed` values."""
    return pd.Series([x[:seed].mean(), *x[seed:]]).ewm(alpha=alpha, adjust=False).mean().iloc[-1]


def wilder_rsi(x: Floats) -> float:
    moves = np.diff(x)
    up, down = (ema(np.clip(sign * moves, 0, None), 1 / 14, 14) for sign in (1, -1))
    return 100 - 100 / (1 + up / down)


def worst_fall(x: Floats) -> float:
    return float((x / np.maximum.accumulate(x) - 1).min())


def longest_fall(x: Floats) -> int:
    longest = current = 0
    for price, peak in zip(x, np.maximum.accumulate(x), strict=True):
        current = 0 if price >= peak else current + 1
        longest = max(longest, current)
    return longest


def z_of_newest(x: Floats) -> float:
    return (x[-1] - x[-31:-1].mean()) / x[-31:-1].std(ddof=1)


def corwin_schultz(high: Floats, low: Floats) -> float:
    root = 3 - 2 * np.sqrt(2)
    spreads = []
    for h0, h1, l0, l1 in zip(high[:-1], high[1:], low[:-1], low[1:], strict=True):
        beta = np.log(h0 / l0) ** 2 + np.log(h1 / l1) ** 2
        gamma = np.log(max(h0, h1) / min(l0, l1)) ** 2
        alpha = (np.sqrt(2 * beta) - np.sqrt(beta)) / root - np.sqrt(gamma / root)
        spreads.append(max(2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha)), 0))
    return float(np.mean(spreads))


def garman_klass(o: Floats, h: Floats, low: Floats, c: Floats) -> float:
    daily = 0.5 * np.log(h / low) ** 2 - (2 * np.log(2) - 1) * np.log(c / o) ** 2
    return float(np.sqrt(daily.mean() * 365))


def percentile(values: Floats, column: int) -> float:
    return float((stats.rankdata(values)[column] - 0.5) / len(values))


def expected(column: int) -> dict[str, float]:
    """Every feature of one coin on day ROW."""
    history = clean()
    f = {name: values[: ROW + 1, column] for name, values in history.panels.items()}
    a = {name: values[: ROW + 1] for name, values in history.panels.items()}
    s = {name: values[: ROW + 1 - SERIES_LAG[name]] for name, values in history.series.items()}
    p, v, cap, high, low = f["price"], f["volume"], f["market_cap"], f["high"], f["low"]
    r, simple, everyone = np.diff(np.log(p)), p[1:] / p[:-1] - 1, a["price"][1:] / a["price"][:-1] - 1
    year, bitcoin = np.sqrt(365), IDS.index("bitcoin")
    caps = a["market_cap"]
    line = (everyone * caps[:-1]).sum(axis=1) / caps[:-1].sum(axis=1)
    level = np.concatenate([[1.0], np.cumprod(1 + line)])
    weekly = {name: pd.Series(values).rolling(7).mean().to_numpy() for name, values in f.items()}
    fit = stats.linregress(np.arange(90), np.log(p[-90:]))
    market_fit = stats.linregress(line[-90:], simple[-90:])
    residual = simple[-90:] - market_fit.intercept - market_fit.slope * line[-90:]
    tail, half = p[-MACD_DAYS:], p[-20:]
    macd = [values[-1] / p[-1] for values in talib.MACD(tail)]
    bars = [x[-ADX_DAYS:] for x in (high, low, p)]
    top, middle, bottom = talib.BBANDS(half, 20)
    month = a["price"][-1] / a["price"][-31] - 1
    week = a["price"][-1] / a["price"][-8] - 1
    surges = {name: a[name][-7:].mean(axis=0) / a[name][-37:-7].mean(axis=0) for name in a}
    sectors = [
        np.median([month[IDS.index(other)] for other in IDS if tag in TAGS.get(other, ())])
        for tag in TAGS.get(IDS[column], ())
        if sum(tag in tags for tags in TAGS.values()) >= 3
    ]
    sector = float(np.mean(sectors)) if sectors else np.nan
    falling = np.minimum(line[-90:], 0)
    net = f["exchange_inflow"] - f["exchange_outflow"]
    both = f["exchange_inflow"] + f["exchange_outflow"]
    shares = caps / caps.sum(axis=1, keepdims=True)
    rise7, usual = np.log(p[-1] / p[-8]), r[-97:-7].std(ddof=1) * np.sqrt(7)
    m_now, m_before = np.log(p[-1] / p[-15]), np.log(p[-15] / p[-29])
    way = np.sign(p[-1] - p[-50:].mean())
    slower = max(way * (m_before - m_now) / (r[-90:].std(ddof=1) * np.sqrt(14)), 0)
    drier = max(np.log(v[-28:-14].mean() / v[-14:].mean()), 0)

    def over_extension(support: float) -> float:
        return rise7 / usual * (1 - min(max(np.log(support) / rise7, 0), 1)) if rise7 > 0 else 0.0

    def momentum(days: int, skip: int = 0) -> float:
        return p[-1 - skip] / p[-1 - days] - 1

    def growth(name: str) -> float:
        return weekly[name][-1] / weekly[name][-31] - 1

    def together(name: str) -> float:
        log, other = (np.log(x) for x in (p, s[name]))
        # the price of today goes with what was known of the series today
        return float(np.corrcoef((log[7:] - log[:-7])[-90:], (other[7:] - other[:-7])[-90:])[0, 1])

    def breadth(span: int) -> float:
        return float((a["price"][-1] > a["price"][-span:].mean(axis=0)).mean())

    answer = {
        "price_level": np.log10(p[-1]),
        "return_1d": simple[-1],
        "body_1d": p[-1] / f["open"][-1] - 1,
        "range_1d": (high[-1] - low[-1]) / p[-1],
        "close_location_1d": 2 * (p[-1] - low[-1]) / (high[-1] - low[-1]) - 1,
        "range_expansion_14d": ((high - low) / p)[-1] / ((high - low) / p)[-15:-1].mean() - 1,
        "largest_rise_30d": simple[-30:].max(),
        "largest_fall_30d": simple[-30:].min(),
        **{f"sma_distance_{n}": p[-1] / p[-n:].mean() - 1 for n in (7, 20, 50, 100, 200)},
        **{f"ema_distance_{n}": p[-1] / ema(p[-4 * n :], 2 / (n + 1), n) - 1 for n in (7, 20, 50, 100, 200)},
        "ema_distance_20_settled": p[-1] / ema(p, 2 / 21, 20) - 1,
        "sma_cross_20_50": p[-20:].mean() / p[-50:].mean() - 1,
        "sma_cross_50_200": p[-50:].mean() / p[-200:].mean() - 1,
        "sma_slope_50": p[-50:].mean() / p[-70:-20].mean() - 1,
        "macd_line": macd[0],
        "macd_signal": macd[1],
        "macd_histogram": macd[2],
        "adx_14": talib.ADX(*bars, 14)[-1],
        "di_difference_14": talib.PLUS_DI(*bars, 14)[-1] - talib.MINUS_DI(*bars, 14)[-1],
        "aroon_25": talib.AROONOSC(high[-26:], low[-26:], 25)[-1],
        "aroon_close_25": talib.AROONOSC(p[-26:], p[-26:], 25)[-1],
        "donchian_position_20": (p[-1] - low[-20:].min()) / np.ptp([low[-20:].min(), high[-20:].max()]),
        "donchian_close_20": (p[-1] - p[-20:].min()) / np.ptp(p[-20:]),
        "donchian_close_55": (p[-1] - p[-55:].min()) / np.ptp(p[-55:]),
        "trend_slope_90d": fit.slope * 365,
        "trend_fit_90d": fit.rvalue**2,
        "trend_efficiency_30d": abs(p[-1] - p[-31]) / np.abs(np.diff(p[-31:])).sum(),
        **{f"momentum_{n}d": momentum(n) for n in (7, 14, 30, 90, 180, 365)},
        **{f"momentum_{n}d_skip_7d": momentum(n, 7) for n in (30, 90, 180, 365)},
        "momentum_change_30d": np.log(p[-1] / p[-31]) - np.log(p[-31] / p[-61]),
        **{f"sharpe_momentum_{n}d": r[-n:].mean() / r[-n:].std(ddof=1) * year for n in (30, 90)},
        "rsi_14": wilder_rsi(p[-RSI_DAYS:]),
        "rsi_14_settled": wilder_rsi(p),
        "rsi_14_simple": wilder_rsi(p[-15:]),
        "stochastic_k_14": talib.STOCHF(high[-16:], low[-16:], p[-16:], 14, 3)[0][-1],
        "stochastic_d_14": talib.STOCHF(high[-16:], low[-16:], p[-16:], 14, 3)[1][-1],
        "stochastic_close_14": 100 * (p[-1] - p[-14:].min()) / np.ptp(p[-14:]),
        "cci_20": talib.CCI(high[-20:], low[-20:], p[-20:], 20)[-1],
        "cci_close_20": (p[-1] - half.mean()) / (0.015 * np.abs(half - half.mean()).mean()),
        "up_days_90d": (simple[-90:] > 0).mean(),
        "up_weeks_12w": (np.diff(p[-85::7]) > 0).mean(),
        **{f"volatility_{n}d": r[-n:].std(ddof=1) * year for n in (7, 30, 90)},
        **{f"downside_volatility_{n}d": np.sqrt((np.minimum(r[-n:], 0) ** 2).mean() * 365) for n in (30, 90)},
        "parkinson_30d": np.sqrt((np.log(high[-30:] / low[-30:]) ** 2).mean() / (4 * np.log(2)) * 365),
        "garman_klass_30d": garman_klass(*(x[-30:] for x in (f["open"], high, low, p))),
        "atr_14": talib.ATR(*(x[-RSI_DAYS:] for x in (high, low, p)), 14)[-1] / p[-1],
        "atr_close_14": ema(np.abs(np.diff(p[-RSI_DAYS:])), 1 / 14, 14) / p[-1],
        "bollinger_b_20": (p[-1] - bottom[-1]) / (top[-1] - bottom[-1]),
        "bollinger_width_20": (top[-1] - bottom[-1]) / middle[-1],
        "skew_90d": stats.skew(r[-90:]),
        "kurtosis_90d": stats.kurtosis(r[-90:]),
        "volatility_ratio_7d_90d": r[-7:].std(ddof=1) / r[-90:].std(ddof=1) - 1,
        "volatility_of_volatility_90d": stats.variation(pd.Series(r[-90:]).rolling(7).std().dropna(), ddof=1),
        "value_at_risk_90d": -np.sort(simple[-90:])[4],
        **{f"drawdown_{n}d": p[-1] / p[-n:].max() - 1 for n in (30, 90, 180, 365)},
        **{f"max_drawdown_{n}d": worst_fall(p[-n:]) for n in (90, 365)},
        **{f"days_since_high_{n}d": n - 1 - int(np.argmax(p[-n:])) for n in (90, 365)},
        "longest_drawdown_90d": longest_fall(p[-90:]),
        "rise_from_low_90d": p[-1] / p[-90:].min() - 1,
        "ulcer_index_30d": np.sqrt(np.mean([(p[-k] / p[len(p) - k - 29 : len(p) - k + 1].max() - 1) ** 2 for k in range(1, 31)])),
        "volume_level_30d": np.log10(v[-30:].mean()),
        "volume_change_7d": v[-7:].sum() / v[-14:-7].sum() - 1,
        "volume_trend_7d_30d": v[-7:].mean() / v[-30:].mean() - 1,
        "volume_zscore_30d": z_of_newest(v),
        "volume_consistency_90d": 1 / (1 + stats.variation(v[-90:], ddof=1)),
        "obv_change_30d": (talib.OBV(p, v)[-1] - talib.OBV(p, v)[-31]) / v[-30:].sum(),
        "mfi_14": talib.MFI(high[-15:], low[-15:], p[-15:], (1e3 * v * 3 / (high + low + p))[-15:], 14)[-1],
        "mfi_close_14": 100 * v[-14:][simple[-14:] > 0].sum() / v[-14:].sum(),
        "chaikin_money_flow_20": (talib.AD(high, low, p, v)[-1] - talib.AD(high, low, p, v)[-21]) / v[-20:].sum(),
        "vwap_distance_30d": p[-1] / np.average(p[-30:], weights=(v / p)[-30:]) - 1,
        "price_volume_correlation_30d": np.corrcoef(r[-30:], np.diff(np.log(v))[-30:])[0, 1],
        **{f"amihud_{n}d": (np.abs(simple) / v[1:])[-n:].mean() * 1e6 for n in (30, 90)},
        **{f"turnover_{n}d": (v / cap)[-n:].mean() for n in (1, 30)},
        "idle_days_30d": 0.0,
        "still_days_30d": 0.0,
        "roll_spread_30d": 2 * np.sqrt(max(-np.cov(r[-30:], r[-31:-1], ddof=0)[0, 1], 0)),
        "corwin_schultz_spread_30d": corwin_schultz(high[-31:], low[-31:]),
        "venue_volume_level_7d": np.log10(f["venue_volume"][-7:].mean()),
        "venue_share_7d": f["venue_volume"][-7:].sum() / v[-7:].sum(),
        "volume_share": v[-1] / a["volume"][-1].sum(),
        "listings": f["listings"][-1],
        "listings_change_30d": f["listings"][-1] - f["listings"][-31],
        **{f"{n}_growth_30d": growth(n) for n in ("active_addresses", "transactions", "transfers", "fees_paid", "hash_rate")},
        "active_addresses_level_7d": np.log10(weekly["active_addresses"][-1]),
        "active_addresses_trend_7d_90d": weekly["active_addresses"][-1] / f["active_addresses"][-90:].mean() - 1,
        "metcalfe_ratio_30d": np.log10(cap[-1] / f["active_addresses"][-30:].mean() ** 2),
        "nvt": f["nvt"][-1],
        "nvt_change_30d": growth("nvt"),
        "nvt_signal_90d": cap[-1] / f["transfer_value"][-90:].mean(),
        "velocity_30d": f["transfer_value"][-30:].sum() / cap[-30:].sum() * 365,
        "transfer_size_7d": np.log10(f["transfer_value"][-7:].sum() / f["transfers"][-7:].sum()),
        "mvrv": f["mvrv"][-1],
        "mvrv_change_30d": f["mvrv"][-1] / f["mvrv"][-31] - 1,
        "mvrv_zscore_365d": (cap[-1] - f["realized_cap"][-1]) / cap[-365:].std(ddof=1),
        "realized_price_distance": p[-1] / (f["realized_cap"][-1] / f["supply"][-1]) - 1,
        "realized_cap_growth_30d": f["realized_cap"][-1] / f["realized_cap"][-31] - 1,
        "puell_multiple_365d": (f["issuance"] * cap)[-1] / (f["issuance"] * cap)[-365:].mean(),
        "hash_ribbon_30d_60d": f["hash_rate"][-30:].mean() / f["hash_rate"][-60:].mean() - 1,
        **{f"exchange_net_flow_{n}d": net[-n:].sum() / cap[-1] for n in (7, 30)},
        "exchange_flow_balance_30d": net[-30:].sum() / both[-30:].sum(),
        "sentiment_7d": f["sentiment"][-7:].mean(),
        "sentiment_change_7d_30d": f["sentiment"][-7:].mean() - f["sentiment"][-30:].mean(),
        "sentiment_surprise_30d": z_of_newest(f["sentiment"]),
        "sentiment_divergence_30d": (weekly["sentiment"][-1] - weekly["sentiment"][-24]) / f["sentiment"][-30:].std(ddof=1)
        - np.log(p[-1] / p[-31]) / (r[-30:].std(ddof=1) * np.sqrt(30)),
        "sentiment_relative_7d": f["sentiment"][-7:].mean() - s["market_sentiment"][-7:].mean(),
        "market_sentiment_7d": s["market_sentiment"][-7:].mean(),
        "mentions_growth_7d_30d": f["mentions"][-7:].mean() / f["mentions"][-30:].mean() - 1,
        "mentions_zscore_30d": z_of_newest(f["mentions"]),
        "bitcoin_dominance": shares[-1, bitcoin],
        "bitcoin_dominance_change_30d": shares[-1, bitcoin] - shares[-31, bitcoin],
        **{f"market_breadth_{n}": breadth(n) for n in (50, 200)},
        "market_advancing_7d": (week > 0).mean(),
        **{f"market_momentum_{n}d": level[-1] / level[-1 - n] - 1 for n in (30, 90)},
        "total_cap_change_30d": caps[-1].sum() / caps[-31].sum() - 1,
        "market_volatility_30d": line[-30:].std(ddof=1) * year,
        "market_drawdown_90d": level[-1] / level[-90:].max() - 1,
        "market_dispersion_30d": stats.median_abs_deviation(month),
        "market_volume_trend_7d_30d": a["volume"][-7:].sum() / 7 / (a["volume"][-30:].sum() / 30) - 1,
        "equities_shock_7d": np.log(s["equities"][-1] / s["equities"][-8])
        / (np.diff(np.log(s["equities"]))[-97:-7].std(ddof=1) * np.sqrt(7)),
        "market_shock_7d": (level[-1] / level[-8] - 1) / (line[-97:-7].std(ddof=1) * np.sqrt(7)),
        "rates_level": s["rates"][-1],
        **{f"rates_change_{n}d": s["rates"][-1] - s["rates"][-1 - n] for n in (30, 90)},
        **{f"{name}_change_30d": s[name][-1] / s[name][-31] - 1 for name in ("equities", "dollar")},
        **{f"{name}_correlation_90d": together(name) for name in ("equities", "dollar")},
        "cap_level": np.log10(cap[-1]),
        **{f"supply_inflation_{n}d": np.log(f["supply"][-1] / f["supply"][-1 - n]) * 365 / n for n in (90, 365)},
        "issuance_rate": f["issuance"][-1],
        "free_float_share": f["free_float"][-1] / f["supply"][-1],
        "unlock_share_30d": f["unlocks"][-1],
        "fees_to_cap_30d": f["fees_paid"][-30:].sum() * 365 / 30 / cap[-1],
        "tvl_to_cap": f["tvl"][-1] / cap[-1],
        "tvl_growth_30d": f["tvl"][-1] / f["tvl"][-31] - 1,
        "commits_30d": f["commits"][-30:].sum(),
        "commits_trend_30d_90d": f["commits"][-30:].mean() / f["commits"][-90:].mean() - 1,
        "age_365d": 364.0,
        "beta_bitcoin_90d": stats.linregress(everyone[-90:, bitcoin], simple[-90:]).slope,
        "correlation_bitcoin_90d": np.corrcoef(everyone[-90:, bitcoin], simple[-90:])[0, 1],
        "beta_market_90d": market_fit.slope,
        "correlation_market_90d": market_fit.rvalue,
        "downside_beta_market_90d": (simple[-90:] * falling).sum() / (falling**2).sum(),
        "idiosyncratic_volatility_90d": np.sqrt((residual**2).sum() / 88 * 365),
        "alpha_market_90d": market_fit.intercept * 365,
        "cap_rank": stats.rankdata(-caps[-1])[column],
        "market_share": shares[-1, column],
        "market_share_change_30d": shares[-1, column] / shares[-31, column] - 1,
        "relative_strength_30d": month[column] - np.median(month),
        "momentum_rank_90d": percentile(a["price"][-1] / a["price"][-91], column),
        "volume_rank_30d": percentile(a["volume"][-30:].mean(axis=0), column),
        "sector_strength_30d": sector - np.median(month),
        "sector_relative_30d": month[column] - sector,
        "trending_7d": (percentile(surges["volume"], column) + percentile(week, column)) / 2,
        "trending_mentions_7d": percentile(surges["mentions"], column),
        "over_extension_volume_7d": over_extension(surges["volume"][column]),
        "over_extension_addresses_7d": over_extension(surges["active_addresses"][column]),
        "trend_exhaustion_14d": way * (slower + drier) / 2,
    }  # fmt: skip
    return {name: float(value) for name, value in answer.items()}


@lru_cache(maxsize=len(IDS))
def expected_once(column: int) -> dict[str, float]:
    return expected(column)


def newest() -> History:
    """The clean history up to day ROW."""
    history = clean()
    return built(
        {name: values[: ROW + 1].copy() for name, values in history.panels.items()},
        {name: values[: ROW + 1].copy() for name, values in history.series.items()},
    )


@lru_cache(maxsize=1)
def given() -> dict[str, Floats]:
    frame = compute(newest(), NAMES, tags=TAGS)
    return {name: frame.column(name) for name in NAMES}


def test_every_feature_has_a_second_way_to_reach_it() -> None:
    """D8: a new feature without an independent check in here fails."""
    assert set(expected_once(0)) == set(FEATURES)


@pytest.mark.parametrize("name", NAMES)
def test_the_number_is_that_of_an_independent_computation(name: str) -> None:
    """D1, D2, D3, D5, D6, D7, D9, D10, M9: every data point against pandas, scipy, TA-Lib or the formula written out."""
    other = [expected_once(column)[name] for column in range(len(IDS))]
    np.testing.assert_allclose(given()[name], other, rtol=1e-8, atol=1e-11)


# --- real prices against TA-Lib -------------------------------------------------------------------------------------


def bars(market: Market, coin: str) -> dict[str, Floats]:
    """Real prices as three-day bars that overlap: open, high and low of the last three days, and the volume."""
    history = market.history("2021-09-30", days=273, fields=("price", "volume"), ids=[coin])
    price, volume = history.panel("price")[:, 0], history.panel("volume")[:, 0]
    line = pd.Series(price)
    return {
        "price": price[2:],
        "volume": volume[2:],
        "open": price[:-2],
        "high": line.rolling(3).max().to_numpy()[2:],
        "low": line.rolling(3).min().to_numpy()[2:],
    }


def panel_of(bar: dict[str, Floats], name: str) -> Floats:
    return compute_panel(built({key: x[:, None].copy() for key, x in bar.items()}, {}, ("coin",)), name)[:, 0]


# the same definition from the same first day: TA-Lib is given the window that the feature declares
SAME_START: dict[str, Callable[[dict[str, Floats]], Floats]] = {
    "rsi_14": lambda x: talib.RSI(x["price"], 14),
    "rsi_14_settled": lambda x: talib.RSI(x["price"], 14),
    "macd_line": lambda x: talib.MACD(x["price"])[0] / x["price"],
    "macd_signal": lambda x: talib.MACD(x["price"])[1] / x["price"],
    "macd_histogram": lambda x: talib.MACD(x["price"])[2] / x["price"],
    "ema_distance_7": lambda x: x["price"] / talib.EMA(x["price"], 7) - 1,
    "ema_distance_20": lambda x: x["price"] / talib.EMA(x["price"], 20) - 1,
    "ema_distance_20_settled": lambda x: x["price"] / talib.EMA(x["price"], 20) - 1,
    "ema_distance_50": lambda x: x["price"] / talib.EMA(x["price"], 50) - 1,
    "atr_14": lambda x: talib.ATR(x["high"], x["low"], x["price"], 14) / x["price"],
    "adx_14": lambda x: talib.ADX(x["high"], x["low"], x["price"], 14),
    "di_difference_14": lambda x: (
        talib.PLUS_DI(x["high"], x["low"], x["price"], 14) - talib.MINUS_DI(x["high"], x["low"], x["price"], 14)
    ),
    "sma_distance_20": lambda x: x["price"] / talib.SMA(x["price"], 20) - 1,
    "sma_distance_200": lambda x: x["price"] / talib.SMA(x["price"], 200) - 1,
    "momentum_30d": lambda x: talib.ROCP(x["price"], 30),
    "momentum_90d": lambda x: talib.ROCP(x["price"], 90),
    "bollinger_width_20": lambda x: (
        (talib.BBANDS(x["price"], 20)[0] - talib.BBANDS(x["price"], 20)[2]) / talib.SMA(x["price"], 20)
    ),
    "stochastic_k_14": lambda x: 100 + talib.WILLR(x["high"], x["low"], x["price"], 14),
    "stochastic_d_14": lambda x: talib.STOCHF(x["high"], x["low"], x["price"], 14, 3)[1],
    "cci_20": lambda x: talib.CCI(x["high"], x["low"], x["price"], 20),
    "aroon_25": lambda x: talib.AROONOSC(x["high"], x["low"], 25),
    "mfi_14": lambda x: talib.MFI(
        x["high"], x["low"], x["price"], x["volume"] * 3 / (x["high"] + x["low"] + x["price"]), 14
    ),
}


@pytest.mark.parametrize("coin", ["bitcoin", "ethereum"])
@pytest.mark.parametrize("name", sorted(SAME_START))
def test_real_prices_give_what_talib_gives_from_the_same_first_day(name: str, coin: str, real_market: Market) -> None:
    """D2: after the warm-up every row equals TA-Lib on the declared window, to 1e-9."""
    bar, window = bars(real_market, coin), FEATURES[name].lookback
    if len(bar["price"]) < window:
        bar = {key: np.concatenate([x[::-1], x]) for key, x in bar.items()}
    mine = panel_of(bar, name)
    rows = range(window - 1, len(mine), 7)
    other = [SAME_START[name]({key: x[row - window + 1 : row + 1] for key, x in bar.items()})[-1] for row in rows]
    assert np.isnan(mine[: window - 1]).all()
    np.testing.assert_allclose(mine[list(rows)], other, rtol=1e-9, atol=1e-12)


# how far a recursion begun at the first day of the window is from one that began years before, over four years of prices
LONG_BEFORE = {
    "rsi_14_settled": (lambda p: talib.RSI(p, 14), 1e-9),
    "ema_distance_20_settled": (lambda p: p / talib.EMA(p, 20) - 1, 1e-9),
    "rsi_14": (lambda p: talib.RSI(p, 14), 0.5),
    "ema_distance_20": (lambda p: p / talib.EMA(p, 20) - 1, 0.01),
    "macd_line": (lambda p: talib.MACD(p)[0] / p, 0.01),
}


@pytest.mark.parametrize("coin", ["bitcoin", "ethereum"])
@pytest.mark.parametrize("name", sorted(LONG_BEFORE))
def test_a_window_is_as_near_to_the_endless_recursion_as_its_seed_says(name: str, coin: str) -> None:
    """D2: the settled ones are within 1e-9 of the recursion that never began, the others near it."""
    price = onchain().panel("price")[:, onchain().column(coin)]
    endless, bound = LONG_BEFORE[name]
    start = FEATURES[name].lookback + 500
    distance = np.abs(panel_of({"price": price}, name) - endless(price))[start:]
    assert 0 < distance.max() < bound


# --- by hand --------------------------------------------------------------------------------------------------------


def one(name: str, *, tags: dict[str, tuple[str, ...]] | None = None, **fields: Floats) -> float:
    """The newest value of a coin of which these fields are known."""
    panels = {key: np.asarray(x, dtype=np.float64)[:, None].copy() for key, x in fields.items()}
    return float(compute(built(panels, {}, ("coin",)), [name], tags=tags).values[0, 0])


# fifteen closes of a published worked example of Wilder's index
CLOSES = np.array(
    [44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42, 45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28]
)


def test_rsi_of_the_worked_example() -> None:
    """D2: gains 3.34, losses 1.40 over 14 changes: 100 · 3.34 / 4.74 = 70.46."""
    assert one("rsi_14_simple", price=CLOSES) == pytest.approx(
        float(100 * Fraction("3.34") / Fraction("4.74")), rel=1e-9
    )


def test_rsi_is_smoothed_by_a_fourteenth_in_exact_fractions() -> None:
    """D2: 14 changes, 97 days without one, and one rise of 1: (13/14)^98 of the seed and 1/14 of the rise."""
    price = np.concatenate([CLOSES, np.full(97, 46.28), [47.28]])
    left = Fraction(13, 14) ** 98 / 14
    gains, losses = left * Fraction("3.34") + Fraction(1, 14), left * Fraction("1.40")
    assert one("rsi_14", price=price) == pytest.approx(float(100 * gains / (gains + losses)), rel=1e-9)
    # days without a change shrink gains and losses alike
    still = np.concatenate([CLOSES, np.full(98, 46.28)])
    assert one("rsi_14", price=still) == pytest.approx(100 * 3.34 / 4.74, rel=1e-9)


def test_a_price_that_does_not_move_has_a_neutral_rsi_and_no_number_where_nothing_can_be_divided() -> None:
    # the sum of 0.1 is not exact, its mean has to be
    flat = np.full(400, 0.1)
    assert one("rsi_14", price=flat) == one("rsi_14_simple", price=flat) == 50.0
    assert (
        one("volatility_30d", price=flat)
        == one("drawdown_90d", price=flat)
        == one("days_since_high_90d", price=flat)
        == 0.0
    )
    for name in (
        "stochastic_close_14",
        "bollinger_b_20",
        "sharpe_momentum_30d",
        "skew_90d",
        "trend_fit_90d",
        "cci_close_20",
    ):
        assert np.isnan(one(name, price=flat)), name


def test_a_straight_line_is_seven_days_ahead_of_itself_in_macd() -> None:
    """D2: a mean of span n lags a line by (n − 1)/2 days, so the MACD line is (26 − 12)/2 = 7 days of slope, at once."""
    price = 100.0 + 0.5 * np.arange(MACD_DAYS)
    assert one("macd_line", price=price) == pytest.approx(7 * 0.5 / price[-1], rel=1e-9)
    assert one("macd_signal", price=price) == pytest.approx(7 * 0.5 / price[-1], rel=1e-9)
    assert one("macd_histogram", price=price) == pytest.approx(0.0, abs=1e-12)
    assert one("ema_distance_20", price=price[-80:]) == pytest.approx(9.5 * 0.5 / (price[-1] - 9.5 * 0.5), rel=1e-9)


def test_a_fall_and_a_rise_by_hand() -> None:
    """D1: 100, up to 200, down to 50, up to 80 in ninety days."""
    price = np.concatenate([np.linspace(100, 200, 31), np.linspace(195, 50, 30), np.linspace(51, 80, 29)])
    assert one("drawdown_90d", price=price) == pytest.approx(80 / 200 - 1)
    assert one("max_drawdown_90d", price=price) == pytest.approx(50 / 200 - 1)
    assert one("days_since_high_90d", price=price) == 59
    assert one("longest_drawdown_90d", price=price) == 59
    assert one("rise_from_low_90d", price=price) == pytest.approx(80 / 50 - 1)
    assert one("sma_distance_7", price=price[-7:]) == pytest.approx(80 / np.mean(price[-7:]) - 1)


def growing(rate: float, days: int) -> Floats:
    return np.exp(rate * np.arange(days))


def test_exponential_growth_by_hand() -> None:
    """D1: one percent a day: the slope is 3.65 a year, the fit perfect, the volatility nothing."""
    price = growing(0.01, 120)
    assert one("trend_slope_90d", price=price) == pytest.approx(3.65)
    assert one("trend_fit_90d", price=price) == pytest.approx(1.0)
    assert one("trend_efficiency_30d", price=price) == pytest.approx(1.0)
    assert one("momentum_30d", price=price) == pytest.approx(np.exp(0.3) - 1)
    assert one("momentum_30d_skip_7d", price=price) == pytest.approx(np.exp(0.23) - 1)
    assert one("momentum_change_30d", price=price) == pytest.approx(0.0, abs=1e-12)
    assert one("volatility_90d", price=price) == pytest.approx(0.0, abs=1e-6)
    assert one("up_weeks_12w", price=price) == one("up_days_90d", price=price) == 1.0


def rally(*, times: float, support: float, days: int = 98) -> tuple[Floats, Floats]:
    """(price, volume): a saw tooth of one percent a day, then `times` in a week; the week's volume is `support` times."""
    price = np.where(np.arange(days) % 2 == 0, 100.0, 101.0)
    price[-7:] = price[-8] * times ** (np.arange(1, 8) / 7)
    volume = np.full(days, 1e6)
    volume[-7:] *= support
    return price, volume


def test_a_rally_of_five_hundred_percent_a_week_counts_less_when_volume_and_users_follow() -> None:
    """D9: six times the price in a week. Nothing follows: all of it; √6 times the volume: half of it; six times: nothing."""
    price, volume = rally(times=6.0, support=1.0)
    returns = np.diff(np.log(price))[:90]
    usual = np.std(returns, ddof=1) * np.sqrt(7)
    bare = one("over_extension_volume_7d", price=price, volume=volume)
    assert bare == pytest.approx(np.log(6) / usual)
    assert bare > 60
    _, half = rally(times=6.0, support=np.sqrt(6))
    assert one("over_extension_volume_7d", price=price, volume=half) == pytest.approx(bare / 2)
    _, full = rally(times=6.0, support=6.0)
    assert one("over_extension_volume_7d", price=price, volume=full) == pytest.approx(0.0, abs=1e-9)
    assert one("over_extension_addresses_7d", price=price, active_addresses=half) == pytest.approx(bare / 2)
    crash, volume = rally(times=1 / 6, support=1.0)
    assert one("over_extension_volume_7d", price=crash, volume=volume) == 0.0


def test_a_trend_that_slows_down_on_less_volume_is_exhausted() -> None:
    """D10: above 0 when a rise tires, below 0 when a fall does, 0 while it gains speed and volume."""
    steps = np.concatenate([np.tile([0.03, -0.02], 31), np.full(14, 0.04), np.full(14, 0.01)])
    volume = np.concatenate([np.full(77, 2e6), np.full(14, 1e6)])
    price = np.exp(np.concatenate([[0.0], np.cumsum(steps)]))
    usual = np.std(steps[-90:], ddof=1) * np.sqrt(14)
    tired = one("trend_exhaustion_14d", price=price, volume=volume)
    assert tired == pytest.approx((14 * 0.03 / usual + np.log(2)) / 2)
    assert one("trend_exhaustion_14d", price=1 / price, volume=volume) == pytest.approx(-tired)
    faster = np.exp(np.concatenate([[0.0], np.cumsum(np.concatenate([steps[:62], steps[76:], steps[62:76]]))]))
    assert one("trend_exhaustion_14d", price=faster, volume=3e6 - volume) == 0.0


def test_the_token_everybody_talks_about_trends() -> None:
    """D10: of five coins the one whose price, volume and mentions jump has the highest rank in both, 0.9 of 1."""
    history = clean().tail(40).part(ids=IDS[:5])
    panels = {name: history.panel(name).copy() for name in ("price", "volume", "mentions")}
    for values in panels.values():
        values[-7:, 2] *= 10.0
    frame = compute(built(panels, {}, history.ids), ["trending_7d", "trending_mentions_7d"])
    assert frame.row(history.ids[2]) == {"trending_7d": 0.9, "trending_mentions_7d": 0.9}


def test_sector_strength_by_hand() -> None:
    """D10: four of six coins are "defi" and gain 10, 20, 30 and 50 %, two others 0: 25 − 15 points; pairs are no sector."""
    ids = ("a", "b", "c", "d", "e", "f")
    gains = np.array([0.1, 0.2, 0.3, 0.5, 0.0, 0.0])
    price = np.ones((31, 6))
    price[-1] = 1 + gains
    tags = {**{coin: ("defi",) for coin in "abcd"}, "e": ("meme",), "f": ("meme",)}
    frame = compute(built({"price": price}, {}, ids), ["sector_strength_30d", "sector_relative_30d"], tags=tags)
    np.testing.assert_allclose(frame.column("sector_strength_30d"), [0.1, 0.1, 0.1, 0.1, np.nan, np.nan])
    np.testing.assert_allclose(frame.column("sector_relative_30d"), [-0.15, -0.05, 0.05, 0.25, np.nan, np.nan])


def test_the_market_return_of_a_newcomer_begins_on_its_second_day() -> None:
    """D6: a coin that appears with a large market cap adds nothing to the market's return, only to its cap."""
    price, cap = np.full((31, 2), 10.0), np.full((31, 2), 100.0)
    price[-1, 0] = 11.0
    price[:-1, 1] = cap[:-1, 1] = np.nan
    history = built({"price": price, "market_cap": cap}, {}, ("bitcoin", "newcomer"))
    frame = compute(history, ["market_momentum_30d", "total_cap_change_30d", "bitcoin_dominance"])
    assert frame.row("newcomer") == {
        "market_momentum_30d": 0.1,
        "total_cap_change_30d": 1.0,
        "bitcoin_dominance": 0.5,
    }


def test_a_coin_whose_volume_stops_is_idle_and_not_liquid() -> None:
    """D3: no volume is no proof of liquidity: Amihud's measure is unknown, the idle days are counted."""
    price, volume = growing(0.01, 40), np.full(40, 1e6)
    volume[-4:] = 0.0
    volume[-6] = np.nan
    assert one("idle_days_30d", volume=volume) == 5
    assert np.isnan(one("amihud_30d", price=price, volume=volume))
    assert one("amihud_30d", price=price, volume=np.full(40, 1e6)) == pytest.approx(np.exp(0.01) - 1)


def test_a_price_that_often_stands_still_is_counted() -> None:
    """D3: 31 prices, six of whose thirty changes are none: a fifth; none of them is a rise."""
    price = np.arange(100.0, 131.0)
    for day in (3, 7, 8, 15, 22, 30):
        price[day] = price[day - 1]
    assert one("still_days_30d", price=price) == 0.2
    often = np.concatenate([np.full(61, 5.0), np.arange(6.0, 36.0)])
    assert one("up_days_90d", price=often) == pytest.approx(30 / 90)
    # of the twelve weeks the last four rise in full, the fifth in two of its days
    assert one("up_weeks_12w", price=often) == pytest.approx(5 / 12)


# --- on chain -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def onchain() -> History:
    """Four years of network data, 69 coins. Skipped without the folder."""
    folder = market_folder()
    if not folder.is_dir():
        pytest.skip(f"real market data is absent: no folder {folder.name}; set {DATA_VARIABLE} to run these tests")
    market = load_onchain(folder)
    return market.history(market.end, days=len(market.dates), fields=("price", "market_cap", *market.panels))


@lru_cache(maxsize=1)
def metrics() -> pd.DataFrame:
    """Coin Metrics' own figures for bitcoin, by day."""
    onchain()
    table = pd.read_parquet(market_folder() / "coinmetrics_onchain_2016_2019.parquet")
    return table[table["asset"] == "btc"].reset_index(drop=True)


@pytest.mark.parametrize(
    ("name", "column", "scale"),
    [
        ("nvt_signal_90d", "NVTAdj90", 1.0),
        ("nvt", "NVTAdj", 1.0),
        ("volatility_30d", "VtyDayRet30d", np.sqrt(365)),
    ],
)
def test_bitcoin_has_the_figures_that_coin_metrics_published(name: str, column: str, scale: float) -> None:
    """D5: NVT over 90 days and volatility over 30 equal the publisher's own of 2016 to 2019, which have 8 or 9 digits."""
    mine = compute_panel(onchain(), name)[:, onchain().column("bitcoin")]
    theirs = metrics()[column].to_numpy() * scale
    assert len(mine) == len(theirs)
    known = ~np.isnan(mine)
    assert known.sum() > 1_300
    np.testing.assert_allclose(mine[known], theirs[known], rtol=1e-7)


def test_bitcoin_realized_price_agrees_with_the_published_mvrv() -> None:
    """D5: price / realised price = market cap / realised cap, two ways through different columns."""
    mine = compute_panel(onchain(), "realized_price_distance")[:, onchain().column("bitcoin")] + 1
    np.testing.assert_allclose(mine, metrics()["CapMVRVCur"], rtol=1e-7)


def test_the_chain_tells_the_top_of_2017_from_the_bottom_of_2018() -> None:
    """D5, D6: at the top holders are far in profit and the hash rate climbs; at the bottom neither, and miners give up."""
    history = onchain()
    days = {
        name: history.dates.index(pd.Timestamp(day).date())
        for name, day in (("top", "2017-12-18"), ("low", "2018-12-16"))
    }
    column = history.column("bitcoin")

    def at(name: str) -> tuple[float, float]:
        panel = compute_panel(history, name)[:, column]
        return panel[days["top"]], panel[days["low"]]

    assert at("mvrv") == pytest.approx((3.9, 0.7), abs=0.6)
    for name in ("mvrv_zscore_365d", "hash_ribbon_30d_60d", "active_addresses_growth_30d", "realized_price_distance"):
        top, low = at(name)
        assert top > 0 > low, name
    assert at("market_breadth_50") == pytest.approx((0.9, 0.05), abs=0.15)


def test_everything_that_a_chain_tells_has_numbers_on_real_network_data() -> None:
    """D5, D8: on the newest day of 2019 each on-chain feature is known of bitcoin, but for flows that the file lacks."""
    names = [name for name in NAMES if FEATURES[name].group == "onchain"]
    frame = compute(onchain(), names)
    assert set(frame.missing) == {"exchange_net_flow_7d", "exchange_net_flow_30d", "exchange_flow_balance_30d"}
    assert set(frame.missing.values()) == {
        "no source filled exchange_inflow, exchange_outflow",
    }
    assert set(frame.row("bitcoin")) == set(names) - set(frame.missing)


def test_real_prices_of_all_coins_give_no_infinite_number(real_market: Market) -> None:
    """D12: 2,192 real coins with all their dirt: every value is a number or unknown, and the same from half of the days."""
    history = real_market.history("2021-09-30", days=273, fields=("price", "market_cap", "volume"))
    names = [name for name in NAMES if FEATURES[name].lookback <= 120]
    frame = compute(history, names)
    assert not np.isinf(frame.values).any()
    assert {reason.split()[0] for reason in frame.missing.values()} <= {"no", "needs"}
    np.testing.assert_array_equal(compute(history.tail(120), names).values, frame.values)
    known = (~np.isnan(frame.column("momentum_90d"))).sum()
    assert known > 1_000
