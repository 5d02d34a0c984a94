"""What a release gives a user who has no repository: built, installed as docs/how-to/install.md says, and used."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

import monai_cwmi
from monai_cwmi.data import list_bundles

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="releases are built in the repository"),
]

# Made by trainings and by `make docs`, and no part of a release.
MADE = [f"bundles/myelin_sem_segmentation/{path}" for path in ("models/model.pt", "eval/a.png", "output/a.png")]
MADE += [f"docs/{path}" for path in ("_build/a.html", "reference/api/a.md", "reference/bundles/a.md", "changelog.md")]
LEFT_OUT = {".ci/run", ".gitignore"}  # of what is committed

PAGE = (ROOT / "docs" / "how-to" / "install.md").read_text()
INSTALL, EXTRAS, TRAIN, DOWNLOAD, OFFLINE = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
(NOTEBOOK,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(*command: str | os.PathLike[str], cwd: Path, **variables: str) -> str:
    """Run a command that sees no repository, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", **variables}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def build(tree: Path, out: Path, *options: str) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, *options, tree, cwd=out.parent)


def shell(block: str, environment: Path, cwd: Path) -> None:
    """Run a block of the page in an environment, where pip asks no network and so installs no dependencies."""
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    run("bash", "-euc", block, cwd=cwd, PATH=path, PIP_NO_INDEX="1", PIP_NO_DEPS="1", PIP_NO_COMPILE="1")


def make_environment(folder: Path) -> Path:
    """An empty environment, whose ``pip`` is this one's: a copy would take seconds to install."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    pip = folder / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip --python "{folder}/bin/python" "$@"\n')
    pip.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def committed() -> set[str]:
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    return {path for path in listed if (ROOT / path).is_file()}


@pytest.fixture(scope="module")
def tree(committed: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which a bundle was trained and the documentation was built."""
    folder = tmp_path_factory.mktemp("tree") / "checkout"
    for path in committed:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    for path in MADE:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


@pytest.fixture(scope="module")
def release(tree: Path) -> Path:
    """The folder with the source distribution, and with the wheel that was built from it."""
    out = tree.parent / "release"
    build(tree, out)
    return out


@pytest.fixture(scope="module")
def wheel(release: Path) -> Path:
    (path,) = release.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it, which finds the dependencies among this one's packages."""
    environment = make_environment(tmp_path_factory.mktemp("installed") / "venv")
    for block in (INSTALL, EXTRAS):
        shell(block, environment, wheel.parent)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    return environment


def members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def read_metadata(wheel: Path) -> email.message.Message:
    (metadata,) = (text for name, text in members(wheel).items() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(metadata)


def test_the_wheel_holds_the_package_and_the_bundles(wheel: Path, committed: set[str]) -> None:
    expected = {path for path in committed if path.startswith("monai_cwmi/")}
    expected |= {f"monai_cwmi/{path}" for path in committed if path.startswith("bundles/")}
    found = {name for name in members(wheel) if ".dist-info/" not in name}
    assert found == expected
    assert {"monai_cwmi/py.typed", "monai_cwmi/comparison/losses.yaml", "monai_cwmi/comparison/report.html.j2"} < found
    for name in list_bundles():
        assert f"monai_cwmi/bundles/{name}/configs/train.json" in found


def test_the_wheel_of_the_tree_is_that_of_the_source_distribution(tree: Path, wheel: Path) -> None:
    build(tree, tree.parent / "direct", "--wheel")
    (direct,) = (tree.parent / "direct").glob("*.whl")
    assert members(direct) == members(wheel)


def test_the_source_distribution_holds_what_is_committed(release: Path, committed: set[str]) -> None:
    (sdist,) = release.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        found = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {path for path in found if path.startswith("monai_cwmi.egg-info/")} | {"PKG-INFO"}
    assert found - made == committed - LEFT_OUT


def test_the_version_is_the_same_everywhere(wheel: Path) -> None:
    version = monai_cwmi.__version__
    assert read_metadata(wheel)["Version"] == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    releases = re.findall(r"^## \[(\d.*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0] == version


def test_the_description_has_no_dead_links(wheel: Path) -> None:
    metadata = read_metadata(wheel)
    text = str(metadata.get_payload())
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "from monai_cwmi import CWMILoss" in text
    assert "https://arxiv.org/abs/2502.00563" in text
    assert re.findall(r"\]\((?!https://)[^)]*\)", text) == []


def test_a_machine_without_a_network(wheel: Path, tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "venv")
    shutil.copy(wheel, tmp_path)
    shell(DOWNLOAD, environment, tmp_path)
    (tmp_path / wheel.name).unlink()
    shell(OFFLINE, environment, tmp_path)
    program = "import importlib.metadata; print(importlib.metadata.version('monai-cwmi'))"
    assert run(environment / "bin" / "python", "-c", program, cwd=tmp_path) == f"{monai_cwmi.__version__}\n"


def test_a_training_without_the_repository(installed: Path, rings_dir: Path, tmp_path: Path) -> None:
    copying, enter, training = TRAIN.partition("cd myelin_sem_segmentation\n")
    shell(copying, installed, tmp_path)
    # The training as printed would download the sample and take a minute.
    config = tmp_path / "myelin_sem_segmentation" / "configs" / "train.json"
    entries = json.loads(config.read_text()) | {"dataset_dir": str(rings_dir), "epochs": 1, "steps_per_epoch": 1}
    config.write_text(json.dumps(entries))
    shell(enter + training, installed, tmp_path)
    weights = torch.load(tmp_path / "myelin_sem_segmentation" / "models" / "model.pt", weights_only=True)
    assert len(weights) > 0


def test_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    exec(NOTEBOOK, {})
    assert (tmp_path / "my_bundles" / "organ_ct_segmentation" / "configs" / "train.json").is_file()
    assert capsys.readouterr().out == f"{list_bundles()}\n"


# What a user may write, and what not.
RIGHT = """
from pathlib import Path

import torch

import monai_cwmi
from monai_cwmi import CWMILoss, SteerablePyramid
from monai_cwmi.data import get_bundle, list_bundles
from monai_cwmi.functional import mutual_information

version: str = monai_cwmi.__version__
loss: torch.nn.Module = CWMILoss(softmax=True, to_onehot_y=True, num_levels=4, spacing=(1.0, 1.0), slice_dims=None)
value: torch.Tensor = loss(torch.zeros(1, 2, 64, 64), torch.zeros(1, 1, 64, 64))
information: torch.Tensor = mutual_information(torch.zeros(1, 2, 64, 64), torch.zeros(1, 2, 64, 64), num_levels=2)
highpass, bands, lowpass = SteerablePyramid().decompose(torch.zeros(1, 1, 64, 64))
folders: list[Path] = [get_bundle(name, "mine") for name in list_bundles()]
"""
WRONG = {
    'CWMILoss(num_levels="4")': 'Argument "num_levels" to "CWMILoss" has incompatible type "str"; expected "int"',
    "CWMILoss(number_of_levels=4)": 'Unexpected keyword argument "number_of_levels" for "CWMILoss"',
    "list_bundles() + 1": 'No overload variant of "__add__"',
}


def test_a_users_types_are_checked(installed: Path, tmp_path: Path) -> None:
    # The types of torch and MONAI take mypy twenty seconds to read, and are not what is tested.
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n[mypy-torch.*,monai.*]\nfollow_imports = skip\n")
    (tmp_path / "user.py").write_text(RIGHT + "\n".join(WRONG))
    mypy = (sys.executable, "-m", "mypy", "--python-executable", installed / "bin" / "python", "user.py")
    result = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    errors = result.stdout.splitlines()
    for line, message in enumerate(WRONG.values(), RIGHT.count("\n") + 1):
        assert any(error.startswith(f"user.py:{line}: error: {message}") for error in errors), result.stdout
    assert f"Found {len(WRONG)} errors" in errors[-1]  # and so none in what is right
