"""Commands on data: data, features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from offchain.cli.base import app
from offchain.cli.inputs import MarketPath, open_market
from offchain.cli.output import Json, emit

if TYPE_CHECKING:
    from offchain.market import Market


@app.command()
def data(
    coin: Annotated[
        str, typer.Argument(metavar="[COIN]", help="One coin by its id; without it, the whole market.")
    ] = "",
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Show what the market data holds, what is missing in it, and what was repaired.

    Examples: ballast data    ballast data dogecoin    ballast data --market coins.parquet --json
    """
    market = open_market(market_path)
    document = _coin_quality(market, coin) if coin else market_quality(market)
    emit(document, lambda: quality_text(document), as_json=as_json)


def market_quality(market: Market) -> dict[str, object]:
    import numpy as np

    price, cap, volume = (frame.to_numpy() for frame in (market.price, market.market_cap, market.volume))
    priced = ~np.isnan(price)
    alive = priced[-1]
    rows = int(priced.sum())
    fields = {name: float((~np.isnan(frame.to_numpy())).sum() / max(rows, 1)) for name, frame in market.panels.items()}
    return {
        "source": market.source,
        "start": market.start.date(),
        "end": market.end.date(),
        "days": len(market.dates),
        "coins": len(market.ids),
        "coins_on_the_last_day": int(alive.sum()),
        "coins_that_ended": int((~alive & priced.any(axis=0)).sum()),
        "rows": rows,
        "market_cap_unknown": float(np.isnan(cap[priced]).mean()),
        "volume_unknown_or_zero": float((np.nan_to_num(volume[priced]) == 0).mean()),
        "days_missing_inside": _holes(priced),
        "fields": fields,
        "series": sorted(market.series),
        "findings": [
            {"code": f.code, "count": f.count, "example": f.example, "action": f.action} for f in market.findings
        ],
    }


def _coin_quality(market: Market, coin: str) -> dict[str, object]:
    import numpy as np

    from offchain.errors import MissingHistory, did_you_mean
    from offchain.market.confirm import STATE_NAMES, believe

    if coin not in market.ids:
        raise MissingHistory(f'{market.source}: no coin "{coin}".{did_you_mean(coin, market.ids)}')
    price = market.price[coin].to_numpy()
    seen = np.flatnonzero(~np.isnan(price))
    believed = believe(price[:, None])
    states = [STATE_NAMES[state] for state in believed.states[:, 0]]
    dates = [f"{day:%Y-%m-%d}" for day in market.dates]
    return {
        "source": market.source,
        "id": coin,
        "symbol": market.meta.loc[coin, "symbol"],
        "tags": [tag for tag in str(market.meta.loc[coin, "tags"]).split(";") if tag],
        "first_price": dates[seen[0]] if len(seen) else None,
        "last_price": dates[seen[-1]] if len(seen) else None,
        "days_with_price": len(seen),
        "days_missing_inside": _holes(~np.isnan(price[:, None])),
        "market_cap_unknown": float(np.isnan(market.market_cap[coin].to_numpy()[seen]).mean()) if len(seen) else None,
        "days_not_believed": [
            f"{day}: {state}" for day, state in zip(dates, states, strict=True) if state.startswith("jump")
        ],
    }


def _holes(priced: object) -> int:
    """Days without a price between a coin's first and its last, over all coins."""
    import numpy as np

    table = np.asarray(priced)
    before = np.maximum.accumulate(table, axis=0)
    after = np.maximum.accumulate(table[::-1], axis=0)[::-1]
    return int((before & after & ~table).sum())


def quality_text(document: dict[str, object]) -> str:
    lines = []
    for name, value in document.items():
        label = name.replace("_", " ")
        if isinstance(value, dict):
            lines += [f"{label}:"] if value else []
            lines += [f"  {key}: {part:.1%} of the rows" for key, part in value.items()]
        elif isinstance(value, list):
            lines += [f"{label}:"] if value else []
            lines += [f"  {_item_text(item)}" for item in value]
        else:
            lines.append(f"{label}: {f'{value:.2%}' if isinstance(value, float) else value}")
    return "\n".join(lines)


def _item_text(item: object) -> str:
    if isinstance(item, dict):
        return f"{item['code']}: {item['count']:,} × ({item['example']}) → {item['action']}"
    return str(item)


@app.command()
def features(
    group: Annotated[str, typer.Option("--group", help="Only one group, such as momentum.")] = "",
    as_json: Json = False,
) -> None:
    """List the catalogue of features: what can be read about a coin, its unit, look-back, gap rule and source.

    Example: ballast features --group momentum
    """
    from offchain.errors import MarketDataError, did_you_mean
    from offchain.features import FEATURES, GROUPS, catalogue_hash

    if group and group not in GROUPS:
        raise MarketDataError(f'no group "{group}"; groups are {", ".join(GROUPS)}.{did_you_mean(group, GROUPS)}')
    chosen = [one for one in FEATURES.values() if not group or one.group == group]
    document = {
        "count": len(chosen),
        "catalogue_hash": catalogue_hash([one.name for one in chosen]),
        "features": [
            {
                "name": one.name,
                "group": one.group,
                "unit": one.unit,
                "reads": {**one.fields, **one.market, **one.counted},
                "doc": one.doc,
                "source": one.source,
            }
            for one in chosen
        ],
    }

    def text() -> str:
        from offchain.pages import LEFT, render

        head = ("feature", f"{LEFT}group", f"{LEFT}unit", "days", f"{LEFT}what", f"{LEFT}source")
        rows = [
            (one.name, one.group, one.unit, str(max({**one.fields, **one.market, **one.counted}.values(), default=0)), one.doc, one.source)
            for one in chosen
        ]  # fmt: skip
        return render((head, rows), indent="") + f"\n{len(chosen)} features, {document['catalogue_hash']}"

    emit(document, text, as_json=as_json)
