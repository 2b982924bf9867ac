"""A folder of trained models: one JSON each, and beside it a card that a person reads.

save_model(model, folder, "lc10-2021-06")      lc10-2021-06.json and lc10-2021-06.md
load_model("models/lc10-2021-06.json", expected_hash="0x…")
model_for(rules, folder)                       the one that [signals] names, by file, by hash, or both
list_models(folder)
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from offchain.errors import ModelError, did_you_mean
from offchain.signals.model import Model, Versions
from offchain.spec.signal_rules import SignalRules


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One model of a folder."""

    name: str
    model_hash: str
    train_cutoff: date
    features: int
    pays: bool


def save_model(model: Model, folder: str | os.PathLike[str], name: str) -> Path:
    """Writes `name`.json and its card `name`.md. A model that is there already is never overwritten by another one."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        raise ModelError(f'"{name}" is no name for a model: use letters, digits and . _ -')
    path = Path(folder) / f"{name}.json"
    if path.is_file() and load_model(path).model_hash != model.model_hash:
        raise ModelError(f"{path.name}: another model has this name; decisions may cite it, so choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    for file, text in ((path, model.to_json()), (path.with_suffix(".md"), card(model, name))):
        # whole or not at all: a reader never meets half a model
        partial = file.with_name(file.name + ".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    return path


def load_model(path: str | os.PathLike[str], *, expected_hash: str = "") -> Model:
    """The model in a file. Raises ModelError when it cannot be read, was changed, or is not the one expected."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = (
            did_you_mean(file.name, [other.name for other in file.parent.glob("*.json")])
            if file.parent.is_dir()
            else ""
        )
        raise ModelError(f"{file}: no such model; train one, or give another path.{near}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: cannot be read ({error}); give the file that training wrote") from error
    try:
        return Model.from_json(text, expected_hash=expected_hash)
    except ModelError as error:
        raise ModelError(f"{file.name}: {error}") from error


def model_for(rules: SignalRules, folder: str | os.PathLike[str]) -> Model | Versions | None:
    """What [signals] names, None when it asks for no model. `folder`: where the paths of the index file begin."""
    if rules.mode != "model":
        return None
    place = Path(folder) / rules.model
    if rules.model.endswith(".json"):
        return load_model(place, expected_hash=rules.model_hash)
    entries = list_models(place)
    if rules.model_hash:
        for entry in entries:
            if entry.model_hash == rules.model_hash:
                return load_model(place / f"{entry.name}.json", expected_hash=rules.model_hash)
        raise ModelError(f"no model in {place} has the hash {rules.model_hash} of signals.model_hash; add its file")
    if not entries:
        raise ModelError(f"{place} holds no model; train one into it, or name another folder in signals.model")
    found = sorted((load_model(place / f"{entry.name}.json") for entry in entries), key=lambda one: one.train_cutoff)
    return Versions(models=tuple(found))


def list_models(folder: str | os.PathLike[str]) -> tuple[Entry, ...]:
    """Every model of a folder, by name; each is read whole and its structure checked."""
    found = []
    for file in sorted(Path(folder).glob("*.json")):
        model = load_model(file)
        found.append(
            Entry(
                name=file.stem,
                model_hash=model.model_hash,
                train_cutoff=model.train_cutoff,
                features=len(model.features),
                pays=model.pays,
            )
        )
    return tuple(found)


def card(model: Model, name: str) -> str:
    """Markdown: what the model is, from when to when it learned, how it did, and whether to use it."""
    verdict = "It paid after costs in its walk-forward test." if model.pays else "It did not pay: do not let it trade."
    if not model.metrics:
        verdict = "It was never tested: do not let it trade."
    measures = [f"| {key} | {value:g} |" for key, value in sorted(model.metrics.items())]
    ranked = sorted(model.importance.items(), key=lambda pair: (-pair[1], pair[0]))
    lost = [f"| {key} | {value:+.4f} |" for key, value in ranked]
    settings = [f"| {key} | {value} |" for key, value in sorted(model.settings.items())]
    lines = [
        f"# {name}",
        "",
        verdict,
        "",
        f"- model hash `{model.model_hash}`",
        f"- catalogue hash `{model.catalogue_hash}` of {len(model.features)} features",
        f"- learned from {model.rows:,} coin-days, {model.trained_from} to {model.train_cutoff}; may be asked from the day after",
        f"- foresees the third of all coins a coin ends in, {model.horizon_days} days after an entry {model.delay_days} day later",
        f"- chosen among {model.trials} {'kind' if model.trials == 1 else 'kinds'} that {'was' if model.trials == 1 else 'were'} tried",
        "",
        "Past performance says little about the future; this is no advice.",
        "",
    ]
    for title, head, rows in (
        ("Walk-forward test", "| measure | value |", measures),
        ("Directional AUC lost without", "| feature | lost |", lost),
        ("Settings", "| setting | value |", settings),
    ):
        if rows:
            lines += [f"## {title}", "", head, "|---|---|", *rows, ""]
    return "\n".join(lines)
