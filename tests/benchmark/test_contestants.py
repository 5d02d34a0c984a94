from __future__ import annotations

import monai.losses
import pytest
import torch

from monai_cwmi.benchmark import contestant_names, contestants
from monai_cwmi.benchmark.contestants import make_growth_steps, make_steps
from monai_cwmi.benchmark.workload import Workload

NAMES = [
    "floor: 2 rfftn + 1 irfftn",
    "mutual information alone",
    "CWMILoss",
    "CWMILoss, real pyramid",
    "CWMI from subband images",
    "MONAI DiceCELoss",
    "MONAI SoftDiceclDiceLoss",
    "MONAI HausdorffDTLoss",
    *(["MONAI BoundaryLoss"] if hasattr(monai.losses, "BoundaryLoss") else []),
    "MONAI FocalLoss",
    "MONAI TverskyLoss",
    "training step of a network",
]


@pytest.mark.filterwarnings("error")  # MONAI warns of options that it ignores
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("classes", [1, 3])
def test_every_step_runs_and_each_loss_has_a_gradient(classes: int, dtype: torch.dtype) -> None:
    workload = Workload(batch=2, classes=classes, size=(32, 48), num_orientations=3, dtype=dtype)
    steps = make_steps(workload)
    assert list(steps) == NAMES
    for name, step in steps.items():
        result = step()
        if name not in (contestant_names.FLOOR, contestant_names.NETWORK):
            assert isinstance(result, tuple)
            (gradient,) = result
            assert gradient.shape == workload.shape
            assert gradient.dtype == dtype
            assert gradient.isfinite().all(), name
            assert gradient.abs().amax((2, 3)).gt(0).all(), name  # all channels are compared


def test_volumes_are_compared_as_a_whole_and_by_slices() -> None:
    workload = Workload(batch=1, classes=2, size=(32, 24, 16), num_orientations=6)
    steps = make_steps(workload)
    real = NAMES.index("CWMILoss, real pyramid") + 1
    assert list(steps) == [*NAMES[:real], "CWMILoss, axial slices", "CWMILoss, three planes", *NAMES[real:]]
    gradients = {}
    for name, step in steps.items():
        result = step()
        if name not in (contestant_names.FLOOR, contestant_names.NETWORK):
            assert isinstance(result, tuple)
            (gradients[name],) = result
            assert gradients[name].shape == workload.shape
            assert gradients[name].isfinite().all(), name
    torch.testing.assert_close(gradients["CWMILoss"], gradients["CWMI from subband images"], rtol=0.02, atol=1e-5)
    for name in ("CWMILoss, axial slices", "CWMILoss, three planes"):
        assert not torch.allclose(gradients["CWMILoss"], gradients[name], rtol=0.1)


def test_without_a_boundary_loss_there_is_no_row_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "_has_boundary_loss", False)
    assert "MONAI BoundaryLoss" not in make_steps(Workload(batch=1, size=(16, 16)))


def test_compiled_row() -> None:
    steps = make_steps(Workload(batch=1, size=(16, 16)), compiled=True)
    assert list(steps).index("CWMILoss, compiled") == list(steps).index("CWMILoss, real pyramid") + 1
    assert set(steps) == {*NAMES, "CWMILoss, compiled"}


def test_the_network_learns() -> None:
    workload = Workload(batch=1, size=(32, 32))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        step = make_steps(workload)["training step of a network"]
    network = next(cell.cell_contents for cell in step.__closure__ or () if hasattr(cell.cell_contents, "parameters"))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    step()
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in network.parameters())


def test_growth_compares_the_loss_with_the_floor() -> None:
    steps = make_growth_steps(Workload(batch=1, classes=2, size=(16, 16)))
    assert list(steps) == ["floor: 2 rfftn + 1 irfftn", "CWMILoss"]
    for step in steps.values():
        step()
