"""The set-up: locks, stamps, hashes and what it says on a machine it cannot serve."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.setup import networks, provision

ROOT = Path(__file__).resolve().parents[2]
GLIBC = ("glibc", "2.36")
PUBLIC = {"https://pypi.org", "https://files.pythonhosted.org", "https://registry.npmjs.org"}


# ---------------------------------------------------------------------------------------------------------- locks


def test_uv_lock_names_only_public_registries_with_hashes():
    text = (ROOT / "uv.lock").read_text()
    assert set(re.findall(r"\w+://[^/\"]+", text)) <= PUBLIC
    for package in tomllib.loads(text)["package"]:
        if package["name"] != "ballast":
            assert package["source"] == {"registry": "https://pypi.org/simple"}
            files = package.get("wheels", []) + [package[key] for key in ("sdist",) if key in package]
            assert files and all(file["hash"].startswith("sha256:") for file in files)


def test_package_lock_names_only_public_registries_with_hashes():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        if path:
            assert package["integrity"].startswith("sha512-"), path
            assert package.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")


def test_package_json_pins_exact_versions():
    declared = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"(npm:solc@)?\d+\.\d+\.\d+(-beta\.\d+)?", version) for version in declared.values())


def test_lock_holds_no_package_of_one_platform():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert not [path for path, package in packages.items() if "os" in package or "cpu" in package]


def test_one_python_range_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest, newest = provision.OLDEST_PYTHON, provision.NEWEST_PYTHON
    assert project["requires-python"] == f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"
    import run

    assert (run.OLDEST_PYTHON, run.NEWEST_PYTHON) == (oldest, newest)


# -------------------------------------------------------------------------------------------------------- machine


@pytest.mark.parametrize("system, machine", [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")])
def test_supported_machines_pass(system, machine):
    provision.check_machine(system, machine, GLIBC if system == "Linux" else ("", ""))


def test_windows_is_sent_to_wsl():
    with pytest.raises(provision.SetupFailed, match="WSL"):
        provision.check_machine("Windows", "AMD64", ("", ""))


def test_unknown_processor_is_named():
    with pytest.raises(provision.SetupFailed, match="Linux riscv64.*Linux x86_64"):
        provision.check_machine("Linux", "riscv64", GLIBC)


@pytest.mark.parametrize("libc, named", [(("glibc", "2.31"), "2.31"), (("", ""), "Alpine")])
def test_old_glibc_is_named_with_the_limit_and_a_way_out(monkeypatch, libc, named):
    monkeypatch.setattr(provision, "own_anvil", lambda: None)
    with pytest.raises(provision.SetupFailed) as caught:
        provision.check_machine("Linux", "x86_64", libc)
    assert "2.35" in str(caught.value) and named in str(caught.value) and "docker run" in str(caught.value)


def test_old_glibc_is_accepted_with_an_anvil_of_ones_own(monkeypatch):
    monkeypatch.setattr(provision, "own_anvil", lambda: "/usr/local/bin/anvil")
    provision.check_machine("Linux", "x86_64", ("glibc", "2.31"))


# ------------------------------------------------------------------------------------------- stamps, hashes, locks


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name, path in {
        "ROOT": tmp_path,
        "TOOLCHAIN": tmp_path / ".toolchain",
        "VENV": tmp_path / ".venv",
        "STAMPS": tmp_path / ".toolchain" / "stamps.json",
        "LOG": tmp_path / ".toolchain" / "setup.log",
    }.items():
        monkeypatch.setattr(provision, name, path)
    (tmp_path / "lock").write_text("one")
    return tmp_path


def test_step_is_current_until_what_it_depends_on_changes(project):
    made = project / "made"
    made.touch()
    assert not provision.is_current("step", ["lock"], [made])
    provision.remember("step", ["lock"])
    assert provision.is_current("step", ["lock"], [made])
    (project / "lock").write_text("two")
    assert not provision.is_current("step", ["lock"], [made])


def test_step_is_not_current_without_what_it_made(project):
    provision.remember("step", ["lock"])
    assert not provision.is_current("step", ["lock"], [project / "made"])


def test_damaged_stamps_mean_that_every_step_runs_again(project):
    provision.remember("step", ["lock"])
    provision.STAMPS.write_text("{half")
    assert not provision.is_current("step", ["lock"], [])


def test_moved_project_is_noticed(project, monkeypatch):
    provision.remember("step", ["lock"])
    assert not provision.moved()
    monkeypatch.setattr(provision, "ROOT", project / "elsewhere")
    assert provision.moved()


def test_wrong_hash_is_refused_and_shown():
    with pytest.raises(provision.SetupFailed, match="sha256 is [0-9a-f]{64}, expected 00"):
        provision.check_hash("uv", b"content", "sha256", bytes(32))


def test_failing_step_shows_its_output_what_is_missing_and_the_way_out(project):
    with pytest.raises(provision.SetupFailed) as caught:
        provision.run_logged(
            [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"],
            missing="the moon",
            way_out="Look up.",
        )
    assert str(caught.value).split("\n") == ["Missing: the moon.", "    the reason", "Look up."]


def test_second_set_up_waits_for_the_first(project, capsys):
    program = (
        "import sys, time; from pathlib import Path; from scripts.setup import provision as p\n"
        f"p.TOOLCHAIN = Path({str(project / '.toolchain')!r})\n"
        "with p.locked('set-up'): print('first', flush=True); time.sleep(1)\n"
    )
    first = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "first\n"
    with provision.locked("set-up"):
        assert first.wait(timeout=0.5) == 0
    assert f"(process {first.pid})" in capsys.readouterr().out


def test_clean_keeps_what_is_deployed_on_live_networks(project):
    for folder in ("contracts", "deployments/31337", "deployments/11155111"):
        (project / "build" / folder).mkdir(parents=True)
    provision.clean()
    assert not (project / ".toolchain").exists()
    assert [path.name for path in (project / "build").iterdir()] == ["deployments"]
    assert [path.name for path in (project / "build" / "deployments").iterdir()] == ["11155111"]


# ------------------------------------------------------------------------------------------------------- networks


def network(name, **settings):
    return {"id": name, **settings}


def test_networks_of_the_project_win_and_users_own_stay():
    merged = networks.merge(
        {"development": [network("anvil", cmd="old")], "live": []},
        {
            "development": [network("anvil", cmd="new")],
            "live": [{"name": "Ethereum", "networks": [network("sepolia")]}],
        },
        [{"development": [network("anvil", cmd="ganache-cli"), network("mine")], "live": []}],
    )
    assert merged["development"] == [network("anvil", cmd="new"), network("mine")]
    assert merged["live"] == [{"name": "Ethereum", "networks": [network("sepolia")]}]


def test_broken_network_list_of_the_user_is_ignored(tmp_path):
    (tmp_path / "list.yaml").write_text("development: {not: a list")
    assert networks.read(tmp_path / "list.yaml") == {}
    assert networks.read(tmp_path / "absent.yaml") == {}
