"""Was the rule followed? Recomputes the weights of an epoch from what was published, and compares integers and hashes.

    brownie run verify main LC10 3 --network devnet                      the publication this machine wrote
    brownie run verify main LC10 3 snapshot.json --network devnet        a published file
    brownie run verify main my-index.toml 3 snapshot.json 0x… --network mainnet     by the index's address
    python scripts/verify.py --index LC10 --epoch 3 --snapshot snapshot.json --network devnet     the same as one command

Sends nothing and needs no account. Exit codes: 0 everything agrees, 1 something differs or cannot be read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path


def main(symbol: str = "", epoch: str = "", snapshot: str = "", address: str = "") -> None:
    from offchain.chain.deployments import deployments_folder, open_core, open_index
    from offchain.chain.registry import read_epoch
    from offchain.epochs import Publication, verify_epoch
    from offchain.methodology import Methodology
    from scripts.terminal import node, one_line_errors, usage

    if not symbol or not epoch.isdigit():
        raise usage("brownie run verify main <SYMBOL or file> <epoch> [snapshot.json] [address] --network <network>")
    with one_line_errors():
        w3 = node()
        rules = Methodology.open(symbol)
        spec = rules.spec
        if address:
            core, index = open_core(w3), w3.to_checksum_address(address)
        else:
            core, deployment = open_index(w3, spec.symbol)
            index = deployment.address
        number = int(epoch)
        folder = deployments_folder(core.chain_id) / "publications"
        named = read_epoch(w3, core, index, number).epoch.inputs_hash
        publication = Publication.read(Path(snapshot) if snapshot else folder / f"{named}.json")
        verification = verify_epoch(w3, core, index, number, publication, spec, rules=rules)
        print(verification)
        if not verification.is_true:
            raise SystemExit(1)


def _command(arguments: list[str]) -> int:
    """The same through brownie, which knows the networks."""
    parser = argparse.ArgumentParser(prog="verify.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--index", required=True, help="symbol or index file")
    parser.add_argument("--epoch", required=True, help="number of the epoch")
    parser.add_argument("--snapshot", default="", help="published file; default: the one this machine wrote")
    parser.add_argument("--address", default="", help="address of the index; default: the one deployed here")
    parser.add_argument("--network", default="devnet", help="a network of brownie")
    given = parser.parse_args(arguments)
    brownie = Path(sys.executable).with_name("brownie")
    snapshot = str(Path(given.snapshot).resolve()) if given.snapshot else ""
    words = [given.index, given.epoch, snapshot, given.address]
    while not words[-1]:
        words.pop()
    command = [str(brownie), "run", "verify", "main", *words, "--network", given.network]
    return subprocess.run(command, cwd=Path(__file__).resolve().parents[1], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(_command(sys.argv[1:]))
