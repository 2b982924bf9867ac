"""Puts this project's networks into brownie's list. Run by set-up with .venv's Python.

The list lies in the project (`.toolchain/.brownie/network-config.yaml`): brownie's own networks, the ones the user added in
`~/.brownie` or here, and ours from networks.yaml, which win. The user's file is read and never written.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".toolchain" / ".brownie"
LISTS = ("development", "live")


def main() -> None:
    brownie = importlib.util.find_spec("brownie")
    assert brownie is not None and brownie.origin is not None
    shipped = read(Path(brownie.origin).parent / "data" / "network-config.yaml")
    ours = read(Path(__file__).with_name("networks.yaml"))
    theirs = [read(DATA / "network-config.yaml"), read(Path.home() / ".brownie" / "network-config.yaml")]

    merged = merge(shipped, ours, theirs)
    DATA.mkdir(parents=True, exist_ok=True)
    fresh = DATA / "network-config.yaml.new"
    fresh.write_text(yaml.safe_dump(merged, sort_keys=False), encoding="utf-8")
    fresh.replace(DATA / "network-config.yaml")


def read(path: Path) -> dict:
    """The networks of one file; none where it is missing or not a network list."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) and all(isinstance(found.get(name), list) for name in LISTS) else {}


def flatten(networks: dict) -> list[tuple[str, dict]]:
    """(group, network) pairs; the group of a development network is 'development'."""
    development = [("development", network) for network in networks.get("development", [])]
    live = [(group["name"], network) for group in networks.get("live", []) for network in group.get("networks", [])]
    return development + live


def merge(shipped: dict, ours: dict, theirs: list[dict]) -> dict:
    """One list with every id once: ours before shipped before the user's, so that names always mean the same here."""
    chosen: dict[str, tuple[str, dict]] = {}
    for networks in (ours, shipped, *theirs):
        for group, network in flatten(networks):
            chosen.setdefault(network["id"], (group, network))

    merged: dict[str, list] = {name: [] for name in LISTS}
    groups: dict[str, list] = {}
    for group, network in chosen.values():
        if group == "development":
            merged["development"].append(network)
        else:
            groups.setdefault(group, []).append(network)
    merged["live"] = [{"name": name, "networks": networks} for name, networks in groups.items()]
    return merged


if __name__ == "__main__":
    main()
