"""Commands on index files: new, check, indexes, methodology."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.cli.base import app
from offchain.cli.inputs import folder_of, open_index, read_file, write_file
from offchain.cli.output import DIFFERS, REFUSED, Json, emit, say

if TYPE_CHECKING:
    from offchain.spec import IndexSpec


@app.command()
def new(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Ticker of the new index: 1 to 11 of A-Z and 0-9.")],
    name: Annotated[str, typer.Option("--name", help="Its full name.")] = "",
    like: Annotated[
        str, typer.Option("--like", metavar="INDEX", help="The index whose rules it starts with.")
    ] = "LC10",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another value for a key, as in the file. Repeat it for more."),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(
            "--profile", metavar="GOAL,TOLERANCE,HORIZON", help="Settings of [risk] of that row of ballast profiles."
        ),
    ] = "",
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="Where to write it. Default: <symbol>.toml here.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Write a new index file that starts with the rules of another one.

    Examples: ballast new MYDEX --like EQ5 --name "My five"    ballast new MYAI --set 'universe.themes=["ai"]' --set
    universe.top=5 --profile balanced,low,short
    """
    from offchain.errors import BallastError
    from offchain.risk.profiles import NOTICE
    from offchain.spec import index_files, parse_spec
    from offchain.spec.edit import with_keys

    shipped = index_files()
    source = str(shipped.get(like.casefold(), like))
    start = open_index(source)
    text = _renamed(read_file(source), symbol=symbol, name=name or f"Index {symbol}")
    keys = {**_profile_keys(profile, start), **_settings(settings or [])}
    if keys:
        told = f"The rules of {start.symbol} with other {', '.join(keys)}."
        keys = {"index.description": json.dumps(told)} | keys
    text = with_keys(text, keys, source=f"{symbol} like {like}")
    spec = parse_spec(text, source=f"{symbol} like {like}")
    path = Path(out or f"{symbol.lower()}.toml")
    if path.exists():
        raise BallastError(f"{path} exists already; name another file with --out")
    write_file(path, text)
    if profile:
        say(NOTICE)
    emit(
        {"file": path, "symbol": spec.symbol, "spec_hash": spec.spec_hash},
        f"{spec.symbol} in {path}, with the rules of {like}. Edit it, then: ballast check {path}",
        as_json=as_json,
    )


@app.command()
def check(
    files: Annotated[list[str], typer.Argument(metavar="INDEX...", help="Index files, or symbols of shipped ones.")],
    as_json: Json = False,
) -> None:
    """Check index files: every mistake at once, or the hash of the rules.

    Example: ballast check my.toml    then, in a script: ballast check my.toml --json | jq -r '.[0].spec_hash'
    """
    from offchain.errors import SpecError

    rows: list[dict[str, object]] = []
    for file in files:
        try:
            rows.append({"file": file, "ok": True, **_identity(open_index(file), folder_of(file)), "problems": []})
        except SpecError as error:
            rows.append({"file": file, "ok": False, "problems": list(error.problems)})
    emit(rows, lambda: "\n".join(_checked_line(row) for row in rows), as_json=as_json)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(REFUSED)


@app.command()
def indexes(as_json: Json = False) -> None:
    """List the shipped indexes.

    Example: ballast indexes
    """
    from offchain.pages import LEFT, render
    from offchain.spec import find_spec, index_files

    specs = {path: find_spec(path) for path in index_files().values()}
    documents = [
        {"file": path, **_identity(spec, folder_of(path)), "description": spec.index.description}
        for path, spec in specs.items()
    ]

    def text() -> str:
        head = (
            "symbol",
            f"{LEFT}name",
            f"{LEFT}family",
            f"{LEFT}weights",
            "coins",
            f"{LEFT}signals",
            f"{LEFT}reviewed",
            f"{LEFT}hash",
        )
        return render((head, [_index_row(spec) for spec in specs.values()]), indent="")

    emit(documents, text, as_json=as_json)


@app.command()
def methodology(
    index: Annotated[str, typer.Argument(metavar="[INDEX]", help="An index; without it, all shipped ones.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Write docs/methodologies anew.")] = False,
    is_check: Annotated[
        bool, typer.Option("--check", help="Exit with 3 when a page is not what its file says.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Publish the methodology of an index as a page, generated from its file.

    Examples: ballast methodology LC10 > lc10.md    ballast methodology --write    ballast methodology --check
    """
    from offchain.research.methodology_page import methodology_page, shipped_pages, stale_pages, write_pages

    if index:
        spec = open_index(index)
        text = methodology_page(spec, folder=folder_of(index))
        emit({"symbol": spec.symbol, "spec_hash": spec.spec_hash, "markdown": text}, text, as_json=as_json)
        return
    if write:
        paths = write_pages()
        emit({"written": paths}, lambda: "\n".join(str(path) for path in paths), as_json=as_json)
        return
    stale = stale_pages()
    emit({"pages": sorted(shipped_pages()), "stale": stale}, lambda: _stale_text(stale), as_json=as_json)
    if is_check and stale:
        say("write them with: ballast methodology --write")
        raise typer.Exit(DIFFERS)


def _renamed(text: str, *, symbol: str, name: str) -> str:
    """The same rules under another name; `name` and `symbol` stand once each, at the top."""
    lines = []
    for line in text.splitlines():
        key = line.partition("=")[0].strip()
        value = {"name": name, "symbol": symbol}.get(key) if "[universe]" not in lines else None
        # a JSON text is also a TOML text
        lines.append(line if value is None else f"{key} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _settings(given: list[str]) -> dict[str, str]:
    """{section.key: value as the file writes it}; a bare word is a text. Raises UnitError."""
    import tomllib

    from offchain.errors import UnitError

    found = {}
    for one in given:
        name, sign, value = (part.strip() for part in one.partition("="))
        if not sign or name.count(".") != 1 or not value:
            raise UnitError(f'--set "{one}": write section.key=value, such as universe.top=20')
        try:
            is_value = set(tomllib.loads(f"x = {value}")) == {"x"}
        except tomllib.TOMLDecodeError:
            is_value = False
        found[name] = value if is_value else json.dumps(value, ensure_ascii=False)
    return found


def _profile_keys(profile: str, spec: IndexSpec) -> dict[str, str]:
    """The settings of [risk] that a row of `ballast profiles` stands for, on the stable side that the rules have already."""
    from dataclasses import fields

    from offchain.errors import UnitError
    from offchain.risk.profiles import suggest

    if not profile:
        return {}
    words = [word.strip() for word in profile.split(",")]
    if len(words) != 3:
        raise UnitError(f'--profile "{profile}": write goal,tolerance,horizon, such as balanced,medium,long')
    side = spec.risk.stable or (("usd-coin", 1.0),)
    rules = suggest(goal=words[0], tolerance=words[1], horizon=words[2]).rules(side)
    keys = {}
    for row in fields(rules):
        value = getattr(rules, row.name)
        if value == row.default or (row.name == "stable" and spec.risk.stable):
            continue
        shown = round(value, 6) if isinstance(value, float) else value
        keys[f"risk.{row.name}"] = "{ usd-coin = 1.0 }" if row.name == "stable" else json.dumps(shown)
    return keys


def _identity(spec: IndexSpec, folder: Path) -> dict[str, object]:
    from offchain.spec.family import family

    return {
        "symbol": spec.symbol,
        "name": spec.name,
        "family": family(spec, folder=folder),
        "spec_hash": spec.spec_hash,
        "scheme": spec.weights.scheme,
        "top": spec.universe.top,
        "signals": spec.signals.mode,
        "calendar": spec.rebalance.calendar,
        "benchmarks": spec.index.benchmarks,
    }


def _index_row(spec: IndexSpec) -> tuple[str, ...]:
    from offchain.spec.family import family

    weights = " + ".join(row.index for row in spec.sleeves) or spec.weights.scheme
    coins = "" if spec.sleeves else str(spec.universe.top)
    return (
        spec.symbol,
        spec.name,
        family(spec),
        weights,
        coins,
        spec.signals.mode,
        spec.rebalance.calendar,
        spec.spec_hash[:10],
    )


def _checked_line(row: dict[str, object]) -> str:
    if row["ok"]:
        return f"{row['file']}: ok, {row['symbol']} {row['spec_hash']}"
    problems = row["problems"]
    assert isinstance(problems, list)
    return "\n".join(
        [f"{row['file']}: {len(problems)} mistake{'s' if len(problems) != 1 else ''}", *(f"  - {p}" for p in problems)]
    )


def _stale_text(stale: list[Path]) -> str:
    if not stale:
        return "every page is what its file says"
    return "\n".join(["not what the files say:", *(f"  {path.name}" for path in stale)])
