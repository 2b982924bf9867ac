"""Command on data from providers: collect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offchain.cli.base import app
from offchain.cli.inputs import MarketPath, open_index, open_market, records_of
from offchain.cli.market_data import market_quality, quality_text
from offchain.cli.output import Json, emit, say


@app.command()
def collect(
    start: Annotated[str, typer.Option("--start", metavar="DATE", help="First day, such as 2025-01-01.")],
    end: Annotated[str, typer.Option("--end", metavar="DATE", help="Last day, which has to be over.")],
    sources: Annotated[
        str,
        typer.Option(
            "--sources", metavar="NAMES", help="coingecko, coinmetrics, defillama, fred, ccxt:kraken, …; first counts."
        ),
    ] = "coingecko",
    ids: Annotated[str, typer.Option("--ids", help="Coins by CoinGecko's ids, with commas.")] = "",
    index: Annotated[
        str,
        typer.Option(
            "--index", metavar="INDEX", help="Also the coins that may be in this index, by the newest data there is."
        ),
    ] = "",
    store: Annotated[
        str, typer.Option("--store", metavar="FOLDER", help="Every answer is kept there.")
    ] = "reports/answers",
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="The market as .parquet or .csv.")] = "",
    symbol: Annotated[
        list[str] | None,
        typer.Option("--symbol", metavar="ID=SYMBOL", help="For exchanges: bitcoin=BTC/USD. Several times."),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option("--protocol", metavar="ID=SLUG", help="For DefiLlama: uniswap=uniswap. Several times."),
    ] = None,
    plan: Annotated[str, typer.Option("--plan", help="Of CoinGecko: demo or pro.")] = "demo",
    is_offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody: from the stored answers alone, the same market again.")
    ] = False,
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Fetch market data from providers, keep every answer, merge them, and report what is missing or doubtful.

    Example: ballast collect --sources coingecko,fred --ids bitcoin,ethereum --start 2025-01-01 --end 2025-06-30 --out mine.parquet
    """
    from offchain.market.files import write_market
    from offchain.market.snapshot import as_utc
    from offchain.sources import Door
    from offchain.sources import collect as collect_all
    from offchain.sources.named import open_sources

    wanted = sorted({*_words(ids), *(_candidates(index, market_path) if index else ())})
    door = Door(cache=Path(store), offline=is_offline)
    opened = open_sources(_words(sources), door, plan=plan, symbols=_pairs(symbol), protocols=_pairs(protocol))
    say(f"{len(wanted)} coins from {', '.join(one.name for one in opened)}; answers in {store}")
    market = collect_all(opened, wanted, start=as_utc(start).date(), end=as_utc(end).date(), store=door.store)
    written = write_market(market, out) if out else []
    for path in written:
        say(f"written: {path}")
    document = {**market_quality(market), "files": written}
    emit(
        document,
        lambda: quality_text({name: value for name, value in document.items() if name != "files"}),
        as_json=as_json,
    )


def _candidates(index: str, market_path: str) -> tuple[str, ...]:
    """Who may be in the index on the last day of a market that is at hand."""
    from offchain import universe

    spec, market = open_index(index), open_market(market_path)
    records = records_of(index).arguments(market.end + market.lag)
    snapshot = market.snapshot(market.end + market.lag, volume_days=spec.universe.volume_days)
    return universe.candidates(snapshot, spec.universe, **records)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _pairs(texts: list[str] | None) -> dict[str, str]:
    from offchain.errors import MarketDataError

    parts = [text.partition("=") for text in texts or ()]
    wrong = [name for name, sign, value in parts if not (name and sign and value)]
    if wrong:
        raise MarketDataError(f'"{wrong[0]}" is no pair; write ID=NAME, such as bitcoin=BTC/USD')
    return {name: value for name, _, value in parts}
