"""What a release gives a user who has no repository: it is built, installed and used."""

from __future__ import annotations

import email
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
# What lies in a checkout and is made by tools, not committed.
MADE = (".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "build", "dist", "_build")
WRITTEN = ("models", "eval", "output")  # by a training, in a bundle's folder


def run(*command: str | os.PathLike[str], cwd: Path) -> str:
    """Run a command that sees no repository, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "TERM": "dumb"}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def build(tree: Path, out: Path, *options: str) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, *options, tree, cwd=out.parent)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which a bundle was trained."""
    folder = tmp_path_factory.mktemp("tree") / "checkout"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*MADE))
    for name in WRITTEN:
        (folder / "bundles" / "myelin_sem_segmentation" / name).mkdir(exist_ok=True)
        (folder / "bundles" / "myelin_sem_segmentation" / name / "written.txt").touch()
    return folder


@pytest.fixture(scope="module")
def release(tree: Path) -> Path:
    """The folder with the source distribution, and with the wheel that was built from it."""
    out = tree.parent / "release"
    build(tree, out)
    return out


@pytest.fixture(scope="module")
def sdist(release: Path) -> Path:
    (path,) = release.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(release: Path) -> Path:
    (path,) = release.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment where the wheel is installed, and this one's packages are to be had."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel, cwd=folder.parent)
    site_packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder.parent)
    Path(site_packages.strip(), "others.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    return python


def members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_package_and_the_bundles(wheel: Path) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "monai_cwmi").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected |= {
        f"monai_cwmi/{path.relative_to(ROOT).as_posix()}"
        for name in list_bundles()
        for path in (ROOT / "bundles" / name).rglob("*")
        if path.is_file() and path.relative_to(ROOT / "bundles" / name).parts[0] not in WRITTEN
    }
    found = {name for name in members(wheel) if ".dist-info/" not in name}
    assert found == expected
    assert {"monai_cwmi/py.typed", "monai_cwmi/experiment/losses.yaml", "monai_cwmi/experiment/report.html.j2"} < found
    assert sum(name.endswith("/configs/train.json") for name in found) == 7


def test_the_wheel_of_the_tree_is_that_of_the_source_distribution(tree: Path, wheel: Path) -> None:
    build(tree, tree.parent / "direct", "--wheel")
    (direct,) = (tree.parent / "direct").glob("*.whl")
    assert members(direct) == members(wheel)


def test_the_source_distribution_holds_what_is_committed(tree: Path, sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    committed = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    committed = {path for path in committed if not path.startswith(("build/", ".ci/", "monai_cwmi.egg-info/"))}
    committed -= {f"bundles/myelin_sem_segmentation/{name}/written.txt" for name in WRITTEN} | {".gitignore"}
    made = {path for path in found if path.startswith("monai_cwmi.egg-info/")} | {"PKG-INFO"}
    assert found - made == committed


def test_the_version_is_the_same_everywhere(wheel: Path) -> None:
    version = monai_cwmi.__version__
    metadata = next(text for name, text in members(wheel).items() if name.endswith(".dist-info/METADATA"))
    assert email.message_from_bytes(metadata)["Version"] == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    releases = re.findall(r"^## \[(\d.*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0] == version


def test_the_description_has_no_dead_links(wheel: Path) -> None:
    metadata = next(text for name, text in members(wheel).items() if name.endswith(".dist-info/METADATA"))
    message = email.message_from_bytes(metadata)
    text = str(message.get_payload())
    assert message["Description-Content-Type"] == "text/markdown"
    assert "from monai_cwmi import CWMILoss" in text
    assert "https://arxiv.org/abs/2502.00563" in text
    assert re.findall(r"\]\((?!https://)[^)]*\)", text) == []


def test_a_bundle_of_the_wheel_can_be_trained(python: Path, rings_dir: Path, tmp_path: Path) -> None:
    script = f"""
from monai.bundle import ConfigWorkflow
from monai_cwmi.__main__ import main, __file__ as place

main(["get-bundle", "myelin_sem_segmentation", "mine"])
root = "mine/myelin_sem_segmentation"
data = dict(bundle_root=root, dataset_dir={str(rings_dir)!r})
workflow = ConfigWorkflow(root + "/configs/train.json", workflow_type="train", **data)
workflow.initialize()
print(workflow.check_properties(), type(workflow.parser.get_parsed_content("loss")), place, sep="\\n")
"""
    copied, *_, missing, loss, place = run(python, "-c", script, cwd=tmp_path).splitlines()
    assert copied == str(Path("mine", "myelin_sem_segmentation"))
    assert missing == "[]"
    assert loss == "<class 'monai_cwmi.losses.cwmi.CWMILoss'>"
    assert Path(place).is_relative_to(python.parents[1])


# What a user may write, and what not.
RIGHT = """
from pathlib import Path

import torch
import yaml

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


def test_a_users_types_are_checked(python: Path, tmp_path: Path) -> None:
    # Types of torch and MONAI take mypy twenty seconds to read and are not what is tested.
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n[mypy-torch.*,monai.*]\nfollow_imports = skip\n")
    mypy = (sys.executable, "-m", "mypy", "--python-executable", python)
    (tmp_path / "user.py").write_text(RIGHT)
    run(*mypy, "user.py", cwd=tmp_path)
    (tmp_path / "user.py").write_text(RIGHT + "\n".join(WRONG))
    result = subprocess.run([*mypy, "user.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    errors = result.stdout.splitlines()
    first = RIGHT.count("\n") + 1
    for line, message in enumerate(WRONG.values(), first):
        assert any(error.startswith(f"user.py:{line}: error: {message}") for error in errors), result.stdout
    assert f"Found {len(WRONG)} errors" in errors[-1]
