"""Runs at the start of every Python of `.venv` (set-up writes a one-line `.pth` file that executes it).

Brownie and py-solc-x keep their state in the home folder, and read where that is before any project file. This hook is
the only place early enough to point them into the project, however they are started: `make`, `.venv/bin/brownie`, an
activated shell, an editor. It costs under a millisecond, and touches brownie only when brownie is imported.

What it changes
  SOLCX_BINARY_PATH   the compiler of this project, `.toolchain/solcx` (unless already set); VVM_BINARY_PATH likewise
  PATH                `.venv/bin` first, because brownie starts `anvil` by name
  sys.path            the project folder last, so that `import offchain` works from anywhere
  brownie data        `.toolchain/.brownie` instead of `~/.brownie`: an old network list there is not used or changed
  brownie accounts    still `~/.brownie/accounts`, so keystores are shared and survive `make clean`; readable by their
                      owner only
  network hosts       `${NAME:-default}` works, `.env` is read, and port 0 means "any free port"
  devnet              deployments recorded on an earlier local chain are forgotten
  compiling           a change of our Errors.sol no longer fails with KeyError on OpenZeppelin's Create2; a library of
                      OpenZeppelin with the name of one of ours does not take the place of its artifact
  missing programs    are named, with the command that gets them
"""

import os
import sys

ROOT = os.path.dirname(os.path.abspath(sys.prefix))
TOOLCHAIN = os.path.join(ROOT, ".toolchain")
LOCAL_CHAIN_ID = "31337"
GET_PROGRAM = {
    "anvil": "make setup",
    "ganache": "npm install --prefix .toolchain/ganache ganache@7.9.2 (npm is in .venv/bin)",
}


def prepare_environment():
    for name, folder in (("SOLCX_BINARY_PATH", "solcx"), ("VVM_BINARY_PATH", "vvm")):
        os.environ[name] = os.environ.get(name) or os.path.join(TOOLCHAIN, folder)
    programs = [
        os.path.join(ROOT, ".venv", "bin"),
        os.path.join(TOOLCHAIN, "ganache", "node_modules", ".bin"),
    ]
    known = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([p for p in programs if p not in known] + known)


def expand(text):
    """`text` with ${NAME:-default} replaced from the environment; None when nothing is left."""
    import re

    def value(match):
        return os.environ.get(match[1]) or match[2]

    return re.sub(r"\$\{(\w+):-([^}]*)\}", value, text) or None


def free_port():
    """A port nobody listens on; different for processes that start together, and below the range of outgoing connections."""
    import socket

    for attempt in range(1000):
        port = 20000 + (os.getpid() * 16 + attempt) % 10000
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise OSError("no free port from 20000 to 29999 on 127.0.0.1")


def load_brownie_config(module, execute):
    from pathlib import Path

    os.makedirs(os.environ["VVM_BINARY_PATH"], exist_ok=True)  # vvm does not make a folder it is told of
    own_home = Path.__dict__.get("home")  # inherited since Python 3.13
    Path.home = classmethod(lambda cls: cls(TOOLCHAIN))  # read once, for the data folder
    try:
        execute(module)
    finally:
        if own_home is None:
            del Path.home
        else:
            Path.home = own_home

    module.load_dotenv(os.path.join(ROOT, ".env"))
    for network in module.CONFIG.networks.values():
        network["host"] = expand(network["host"])
        settings = network.get("cmd_settings") or {}
        for key in settings:
            if isinstance(settings[key], str):
                settings[key] = expand(settings[key])
        if "port" in settings and int(settings["port"]) == 0:
            settings["port"] = free_port()


def home_data_folder():
    from pathlib import Path

    folder = Path.home() / ".brownie"
    (folder / "accounts").mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def load_brownie_accounts(module, execute):
    """Keystores are the one thing that stays in the home folder."""
    execute(module)
    module._get_data_folder = home_data_folder
    if hasattr(module, "LocalAccount"):
        save = module.LocalAccount.save

        def save_privately(self, *arguments, **settings):
            path = save(self, *arguments, **settings)
            os.chmod(path, 0o600)
            return path

        module.LocalAccount.save = save_privately


def load_brownie_rpc(module, execute):
    execute(module)
    module.ATTACH_BACKENDS["anvil"] = module.anvil  # without it an attached anvil is taken for a ganache
    launch = module.Rpc.launch

    def launch_or_explain(self, cmd, **settings):
        import shutil

        program = cmd.split(" ")[0]
        if shutil.which(program) is None:
            way_out = GET_PROGRAM.get(program, f"install {program} and put it on PATH")
            raise module.RPCProcessError(f"{program} (not installed; get it with: {way_out})", "no process started")
        return launch(self, cmd, **settings)

    module.Rpc.launch = launch_or_explain


def load_brownie_project(module, execute):
    execute(module)
    load_deployments = module.Project._load_deployments

    def load_live_deployments(project):
        if module.CONFIG.network_type == "live" and module.CONFIG.active_network.get("chainid") == LOCAL_CHAIN_ID:
            forget_earlier_chain(project)
        return load_deployments(project)

    module.Project._load_deployments = load_live_deployments
    find_changed = module.Project._get_changed_contracts
    ours = set()  # names of our contracts

    def find_changed_of_ours(project, *arguments):
        """Dependents are found by name: our Errors and OpenZeppelin's are one to brownie, which has no source of the latter."""
        known, dependents = set(project._sources.get_contract_list()), project._build.get_dependents
        ours.update(known)
        project._build.get_dependents = lambda name: [found for found in dependents(name) if found in known]
        try:
            return find_changed(project, *arguments)
        finally:
            del project._build.get_dependents

    module.Project._get_changed_contracts = find_changed_of_ours
    build_artifacts = module.compiler.generate_build_json

    def build_artifacts_of_ours(input_json, output_json, *arguments, **options):
        """Artifacts are kept by name. Theirs in the place of ours is another source: brownie would compile everything anew
        at every command."""
        contracts = output_json["contracts"]
        for path in contracts:
            if not path.startswith("contracts/"):
                contracts[path] = {name: found for name, found in contracts[path].items() if name not in ours}
        return build_artifacts(input_json, output_json, *arguments, **options)

    module.compiler.generate_build_json = build_artifacts_of_ours


def forget_earlier_chain(project):
    """Drops what brownie remembers of a local chain that was restarted: its genesis block differs."""
    from brownie.network import state, web3

    if not web3.is_connected():
        return  # whoever needs the node says so in one line
    genesis = web3.eth.get_block(0)["hash"].hex()
    folder = project._build_path.joinpath("deployments", LOCAL_CHAIN_ID)
    folder.mkdir(parents=True, exist_ok=True)
    seen = folder.joinpath("genesis")
    if seen.exists() and seen.read_text() == genesis:
        return
    for deployment in folder.glob("*.json"):
        deployment.unlink()
    deployments = project._load_deployment_map()
    deployments.pop(LOCAL_CHAIN_ID, None)
    project._save_deployment_map(deployments)
    state.cur.execute(f"DROP TABLE IF EXISTS chain{LOCAL_CHAIN_ID}")
    seen.write_text(genesis)


def load_pytest_rewrite(module, execute):
    """pytest loads its plugins, brownie among them, by a finder of its own: keep it from ours."""
    execute(module)
    find_spec = module.AssertionRewritingHook.find_spec

    def find_other_spec(self, name, path=None, target=None):
        return None if name in PATCHED else find_spec(self, name, path, target)

    module.AssertionRewritingHook.find_spec = find_other_spec


PATCHED = {
    "_pytest.assertion.rewrite": load_pytest_rewrite,
    "brownie._config": load_brownie_config,
    "brownie.network.account": load_brownie_accounts,
    "brownie._cli.accounts": load_brownie_accounts,
    "brownie.network.rpc": load_brownie_rpc,
    "brownie.project.main": load_brownie_project,
}


class BrownieFinder:
    """Wraps the loading of the modules in PATCHED; every other import is left alone."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in PATCHED:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda module: PATCHED[name](module, execute)
        return spec


prepare_environment()
sys.path.append(ROOT)
sys.meta_path.insert(0, BrownieFinder)
