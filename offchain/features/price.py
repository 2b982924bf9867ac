"""The newest price and the day that made it."""

from __future__ import annotations

from offchain.features.feature import Days, Feature
from offchain.features.windows import LN10, before, change, divide, highest, lowest, mean
from offchain.market.history import Floats


def _range(days: Days) -> Floats:
    return divide(days["high"] - days["low"], days["price"])


def _close_location(days: Days) -> Floats:
    high, low = days["high"], days["low"]
    return divide(2.0 * days["price"] - high - low, high - low)


def _range_expansion(days: Days) -> Floats:
    size = _range(days)
    return divide(size[14:], mean(before(size, 1), 14)) - 1.0


PRICE = (
    Feature(
        name="price_level",
        group="price",
        unit="log10 USD",
        fields={"price": 1},
        doc="Power of ten of the price of one coin.",
        source="Birru and Wang (2016), the nominal price",
        work=lambda days: days.log("price") / LN10,
    ),
    Feature(
        name="return_1d",
        group="price",
        unit="1",
        fields={"price": 2},
        doc="price / price of the day before − 1.",
        source="definition",
        work=lambda days: change(days["price"], 1),
    ),
    Feature(
        name="body_1d",
        group="price",
        unit="1",
        fields={"price": 1, "open": 1},
        doc="price / open − 1 of the newest day.",
        source="definition",
        work=lambda days: divide(days["price"], days["open"]) - 1.0,
    ),
    Feature(
        name="range_1d",
        group="price",
        unit="1",
        fields={"price": 1, "high": 1, "low": 1},
        doc="(high − low) / price of the newest day.",
        source="definition",
        work=_range,
    ),
    Feature(
        name="close_location_1d",
        group="price",
        unit="-1..1",
        fields={"price": 1, "high": 1, "low": 1},
        doc="Where the price closed in the range of its day: (2·price − high − low) / (high − low); unknown without a range.",
        source="Chaikin, the close location value",
        work=_close_location,
    ),
    Feature(
        name="range_expansion_14d",
        group="price",
        unit="1",
        fields={"price": 15, "high": 15, "low": 15},
        doc="Range of the newest day over the mean range of the 14 days before it, − 1.",
        source="own",
        work=_range_expansion,
    ),
    Feature(
        name="largest_rise_30d",
        group="price",
        unit="1",
        fields={"price": 31},
        doc="Largest daily return of the last 30: what draws lottery players.",
        source="Bali, Cakici and Whitelaw (2011), MAX",
        work=lambda days: highest(change(days["price"], 1), 30),
    ),
    Feature(
        name="largest_fall_30d",
        group="price",
        unit="1",
        fields={"price": 31},
        doc="Smallest daily return of the last 30.",
        source="Bali, Cakici and Whitelaw (2011), MIN",
        work=lambda days: lowest(change(days["price"], 1), 30),
    ),
)
