"""Volumes: slice by slice, along all axes, and as a whole, through the public functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_cwmi.bands.pyramid import decompose_bands
from monai_cwmi.bands.spec import BandOptions, PyramidSpec
from monai_cwmi.bands.spectral import spectral_moments
from monai_cwmi.bands.tables import index_bound
from monai_cwmi.bands.volumes import views
from monai_cwmi.benchmark.memory import peak_memory
from monai_cwmi.functional import conditional_entropy, mutual_information

WHOLE: dict[str, Any] = {"slice_dims": None}


def volumes(*shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Smooth blobs and a noisy prediction of them, ``(B, C, H, W, D)``."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(*shape[:2], *(max(2, n // 4) for n in shape[2:]), dtype=dtype, generator=generator)
    target = (torch.nn.functional.interpolate(coarse, size=shape[2:], mode="trilinear") > 0.5).to(dtype)
    noise = torch.rand(*shape, dtype=dtype, generator=generator)
    return (0.6 * target + 0.4 * noise).requires_grad_(), target


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("terms", [mutual_information, conditional_entropy])
def test_slicing_is_the_mean_over_informative_slices(axis: int, terms: Any) -> None:
    prediction, target = volumes(2, 2, 20, 24, 22)
    spatial = 2 + axis % 3
    target = target.clone()
    target.narrow(spatial, 3, 5)[0, 0] = 0  # a class absent from some slices of one volume
    target.narrow(spatial, 0, 4)[1, 1] = 1  # and filling some of another
    # Two levels: further ones of images this small have directions without energy, whose gradient is rounding.
    found = terms(prediction, target, slice_dims=(axis,), num_levels=2)
    (gradient,) = torch.autograd.grad(found.sum(), prediction, retain_graph=True)

    expected = torch.zeros_like(found)
    for b, c in itertools.product(range(2), range(2)):
        slices = [
            terms(p[None, None], y[None, None], num_levels=2)[:, 0, 0]
            for p, y in zip(prediction[b, c].unbind(spatial - 2), target[b, c].unbind(spatial - 2), strict=True)
            if y.min() < y.max()
        ]
        assert len(slices) == {(0, 0): target.shape[spatial] - 5, (1, 1): target.shape[spatial] - 4}.get(
            (b, c), target.shape[spatial]
        )
        expected[:, b, c] = torch.stack(slices).mean(0)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), prediction)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-7, atol=1e-10)
    assert gradient.narrow(spatial, 3, 5)[0, 0].abs().max() == 0
    assert gradient.narrow(spatial, 0, 4)[1, 1].abs().max() == 0


def test_empty_slices_do_not_dilute_a_small_organ() -> None:
    prediction, target = volumes(1, 1, 20, 20, 4)
    padded = [torch.nn.functional.pad(volume, (16, 20)) for volume in (prediction, target)]
    torch.testing.assert_close(mutual_information(*padded), mutual_information(prediction, target), rtol=1e-6, atol=0)


@pytest.mark.parametrize("slice_dims", [(-1,), (0, 1, 2), None])
def test_an_absent_class_has_no_information_and_no_gradient(slice_dims: tuple[int, ...] | None) -> None:
    prediction, target = volumes(1, 2, 18, 18, 18)
    target = target * torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1, 1)
    information = mutual_information(prediction, target, slice_dims=slice_dims)
    (gradient,) = torch.autograd.grad(information.sum(), prediction)
    assert information[:, 0, 0].min() > 0.1
    assert information[:, 0, 1].abs().max() < 1e-6
    assert gradient[0, 1].abs().max() < 1e-8


def test_tri_planar_is_the_mean_of_three() -> None:
    prediction, target = volumes(2, 1, 18, 24, 20)
    each = [mutual_information(prediction, target, slice_dims=(axis,)) for axis in range(3)]
    found = mutual_information(prediction, target, slice_dims=(0, 1, 2))
    torch.testing.assert_close(found, torch.stack(each).mean(0))
    reordered = mutual_information(prediction, target, slice_dims=(-1, 0, 1))
    torch.testing.assert_close(reordered, found, rtol=0, atol=0)


def test_planes_too_thin_for_a_level_do_not_count_there() -> None:
    prediction, target = volumes(1, 1, 20, 24, 6)  # axial slices have four levels, the other planes two
    axial = mutual_information(prediction, target, slice_dims=(2,))
    others = [mutual_information(prediction, target, slice_dims=(axis,)) for axis in (0, 1)]
    assert [len(terms) for terms in (axial, *others)] == [4, 2, 2]
    expected = torch.cat((torch.stack((axial[:2], *others)).mean(0), axial[2:]))
    torch.testing.assert_close(mutual_information(prediction, target, slice_dims=(0, 1, 2)), expected)


def test_a_volume_of_one_slice_is_an_image() -> None:
    prediction, target = volumes(2, 3, 20, 24, 1)
    expected = mutual_information(prediction[..., 0], target[..., 0])
    torch.testing.assert_close(mutual_information(prediction, target), expected)
    torch.testing.assert_close(mutual_information(prediction, target, slice_dims=(0, 1, 2)), expected)


SYMMETRIES: dict[str, Callable[[Tensor], Tensor]] = {
    "flip of the first axis": lambda x: x.flip(2),
    "flip of the second axis": lambda x: x.flip(3),
    "flip of the third axis": lambda x: x.flip(4),
    "half turn": lambda x: x.flip((2, 3)),
    "inversion": lambda x: x.flip((2, 3, 4)),
    "cyclic permutation": lambda x: x.permute(0, 1, 3, 4, 2),
    "the other one": lambda x: x.permute(0, 1, 4, 2, 3),
    "shift": lambda x: x.roll((3, 5, 1), (2, 3, 4)),
    "permutation and flip": lambda x: x.permute(0, 1, 3, 4, 2).flip(3),
}


@pytest.mark.parametrize("name", SYMMETRIES)
@pytest.mark.parametrize("options", [{}, {"num_orientations": 3}, {"is_complex": False}])
def test_a_whole_volume_may_be_moved(name: str, options: dict[str, Any]) -> None:
    prediction, target = volumes(2, 1, 20, 24, 18)
    change = SYMMETRIES[name]
    found = mutual_information(change(prediction), change(target), **WHOLE, **options)
    torch.testing.assert_close(found, mutual_information(prediction, target, **WHOLE, **options), rtol=1e-6, atol=0)


def test_six_real_orientations_know_no_axes() -> None:
    # Their squares span all quadratic forms: exchanging two axes, which is no symmetry of an icosahedron, changes them
    # by an invertible map.
    prediction, target = volumes(1, 1, 20, 24, 18)
    swapped = [x.transpose(2, 3) for x in (prediction, target)]
    options = WHOLE | {"is_complex": False, "alpha": 1e-9}
    torch.testing.assert_close(
        mutual_information(*swapped, **options), mutual_information(prediction, target, **options), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("slice_dims", [(-1,), (0, 1, 2), None])
def test_only_the_ratios_of_spacings_count(slice_dims: tuple[int, ...] | None) -> None:
    prediction, target = volumes(1, 1, 24, 20, 18)
    spacing = (0.7, 0.9, 2.5)
    expected = mutual_information(prediction, target, slice_dims=slice_dims, spacing=spacing)
    for factor in (1e-3, 0.1, 3.0):
        scaled = [factor * s for s in spacing]
        found = mutual_information(prediction, target, slice_dims=slice_dims, spacing=scaled)
        assert torch.equal(found, expected)
    alike = mutual_information(prediction, target, slice_dims=slice_dims, spacing=(0.3, 0.3, 0.3))
    assert torch.equal(alike, mutual_information(prediction, target, slice_dims=slice_dims))


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("slice_dims", [(0,), None])
def test_a_level_means_the_same_size_along_every_axis(slice_dims: tuple[int, ...] | None, is_complex: bool) -> None:
    # One object of 48 mm, sampled at 1 mm, and at 2 mm along its last axis. It has nothing that 2 mm cannot hold, so
    # that both say the same: the coarse sampling has half as many voxels and half the energy, and alpha is small.
    generator = torch.Generator().manual_seed(0)
    fine = []
    for _ in range(2):
        spectrum = torch.fft.fftn(torch.rand(48, 48, 48, dtype=torch.float64, generator=generator))
        spectrum[..., 12:37] = 0
        fine.append(torch.fft.ifftn(spectrum).real[None, None])
    fine[0] = 0.7 * fine[1] + 0.3 * fine[0]
    coarse = [image[..., ::2] for image in fine]
    options: dict[str, Any] = {"slice_dims": slice_dims, "is_complex": is_complex, "alpha": 1e-9}
    expected = mutual_information(*fine, **options)
    found = mutual_information(*coarse, **options, spacing=(1, 1, 2))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    assert not torch.allclose(mutual_information(*coarse, **options), expected, rtol=0.01)


def test_all_planes_of_a_volume_count_in_the_finest_spacing() -> None:
    assert [v.spec.spacing for v in look((0, 1, 2), (1, 4, 4))] == [(4.0, 4.0), (1.0, 4.0), (1.0, 4.0)]
    assert [v.spec.spacing for v in look((0,), (1, 4, 8))] == [(1.0, 2.0)]
    assert [v.spec.spacing for v in look(None, (2, 2, 5))] == [(1.0, 1.0, 2.5)]


def look(slice_dims: tuple[int, ...] | None, spacing: tuple[float, ...] | None) -> list[Any]:
    return views(3, BandOptions(slice_dims=slice_dims, spacing=spacing))


def test_spacing_of_plane_images() -> None:
    prediction, target = volumes(2, 1, 20, 24, 1)
    plane = mutual_information(prediction[..., 0], target[..., 0], spacing=(1, 3))
    torch.testing.assert_close(plane, mutual_information(prediction, target, spacing=(1, 3, 7)))
    assert not torch.allclose(plane, mutual_information(prediction[..., 0], target[..., 0]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"slice_dims": (-1,), "num_orientations": 3},
        {"slice_dims": (0, 1, 2), "num_orientations": 3, "spacing": (1, 1, 2)},
        {"slice_dims": None, "num_orientations": 6},
        {"slice_dims": None, "num_orientations": 3, "spacing": (1.5, 1, 2)},
        {"slice_dims": None, "num_orientations": 6, "is_complex": False},
    ],
)
def test_gradients_agree_with_finite_differences(options: dict[str, Any]) -> None:
    prediction, target = volumes(1, 1, 8, 9, 6)
    assert torch.autograd.gradcheck(lambda p: mutual_information(p, target, num_levels=1, **options), prediction)


@pytest.mark.parametrize("num_orientations", [3, 6])
@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.5)])
def test_whole_volumes_agree_with_their_bands(
    spacing: tuple[float, ...], is_complex: bool, num_orientations: int
) -> None:
    prediction, target = volumes(1, 1, 20, 18, 19)
    options: dict[str, Any] = {"num_orientations": num_orientations, "is_complex": is_complex, "spacing": spacing}
    found = mutual_information(prediction, target, num_levels=3, **WHOLE, **options)[:, 0, 0]
    spec = PyramidSpec(3, num_orientations, is_complex, "centred", spacing)
    for level, (p, y) in enumerate(zip(*(decompose_bands(x[0, 0], spec) for x in (prediction, target)), strict=True)):
        p, y = (x.flatten(1) for x in (p, y))  # (K, voxels)
        if is_complex:  # real and imaginary part as real variables of their own
            p, y = (torch.cat((x.real, x.imag)) * 2**0.5 for x in (p, y))
        g_yy, g_yp, g_pp = y @ y.T, y @ p.T, p @ p.T
        conditional = g_yy - g_yp @ torch.linalg.inv(g_pp + 5e-4 * torch.eye(len(p))) @ g_yp.T
        expected = torch.linalg.slogdet(g_yy).logabsdet - torch.linalg.slogdet(conditional).logabsdet
        torch.testing.assert_close(found[level], expected / (2 if is_complex else 1), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 9), (3, 3, 3), (17, 5, 40), (40, 33, 1)])
@pytest.mark.parametrize("slice_dims", [(-1,), (0, 1, 2), None])
def test_every_size_works(shape: tuple[int, int, int], slice_dims: tuple[int, ...] | None) -> None:
    for spacing in (None, (0.5, 1.0, 6.0)):
        for dtype in (torch.float32, torch.float64):
            prediction, target = volumes(2, 1, *shape, dtype=dtype)
            information = mutual_information(prediction, target, slice_dims=slice_dims, spacing=spacing)
            (gradient,) = torch.autograd.grad(information.sum(), prediction)
            assert information.shape[1:] == (2, 1)
            assert information.isfinite().all()
            assert (information > -0.2).all()
            assert gradient.isfinite().all()


def test_what_is_masked_does_not_count() -> None:
    prediction, target = volumes(1, 2, 18, 20, 19)
    mask = torch.ones(1, 1, 18, 20, 19)
    mask[..., 5:12, 3:9, 4:11] = 0
    for slice_dims in ((-1,), (0, 1, 2), None):
        expected = mutual_information(prediction, target, mask=mask, slice_dims=slice_dims)
        (gradient,) = torch.autograd.grad(expected.sum(), prediction)
        assert gradient[mask.expand_as(gradient) == 0].abs().max() == 0
        spoilt = torch.where(mask.bool(), prediction, torch.nan)
        found = mutual_information(spoilt, target, mask=mask, slice_dims=slice_dims)
        torch.testing.assert_close(found, expected)
        constant = mutual_information(torch.full_like(prediction, 0.3), target, mask=mask, slice_dims=slice_dims)
        assert constant.abs().max() < 1e-9  # the mask's own edges are no information


def test_nan_gives_nan() -> None:
    prediction, target = volumes(2, 1, 18, 18, 18)
    with torch.no_grad():
        prediction[0, 0, 3, 3, 3] = torch.nan
    for slice_dims in ((-1,), (0, 1, 2), None):
        values = mutual_information(prediction, target, slice_dims=slice_dims)
        assert values[:, 0].isnan().all()
        assert values[:, 1].isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("slice_dims", [(-1,), None])
def test_compiled_code_is_one_graph(slice_dims: tuple[int, ...] | None) -> None:
    prediction, target = volumes(1, 1, 18, 20, 19, dtype=torch.float32)
    options: dict[str, Any] = {"slice_dims": slice_dims, "spacing": (1.0, 1.0, 2.0)}
    compiled = torch.compile(mutual_information, fullgraph=True, backend="aot_eager")
    found, expected = (f(prediction, target, **options) for f in (compiled, mutual_information))
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(value.sum(), prediction)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_slices_are_transformed_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_cwmi.bands.batches._PIXELS", 2 * 16 * 20)
    prediction, target = volumes(1, 1, 16, 20, 48)
    sizes: list[int] = []
    real = torch.fft.rfftn

    def counted(images: Tensor, **options: Any) -> Tensor:
        sizes.append(len(images))
        return real(images, **options)

    monkeypatch.setattr(torch.fft, "rfftn", counted)
    found = mutual_information(prediction, target)
    assert max(sizes) == 2
    (gradient,) = torch.autograd.grad(found.sum(), prediction)
    monkeypatch.undo()
    expected = mutual_information(prediction, target)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.sum(), prediction)[0])


@pytest.mark.parametrize("slice_dim", [0, 1, 2])
def test_the_volume_is_not_copied_whole(slice_dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = [96, 96, 96]
    shape[slice_dim] = 160
    monkeypatch.setattr("monai_cwmi.bands.batches._PIXELS", 4 * 96 * 96)
    prediction, target = (volume.detach() for volume in volumes(1, 1, *shape, dtype=torch.float32))
    spec = PyramidSpec(3, 4, True, "centred")

    def step() -> None:
        spectral_moments(prediction, target, spec, slice_dim)

    step()  # makes the tables
    spectra = 2 * 2 * 160 * index_bound((96, 96), spec) * 4  # two, real and imaginary part, float32
    assert peak_memory(step, "cpu") < spectra + 0.5 * prediction.nbytes


def test_a_slice_that_hardly_varies_counts() -> None:
    prediction, target = volumes(1, 1, 20, 20, 6)
    faint = target.clone()
    faint[..., 3:] *= 1e-3
    expected = [mutual_information(prediction[..., s : s + 1], faint[..., s : s + 1]) for s in range(6)]
    torch.testing.assert_close(mutual_information(prediction, faint), torch.stack(expected).mean(0), rtol=1e-6, atol=0)
    faint[..., 3:] *= 1e-5
    torch.testing.assert_close(mutual_information(prediction, faint), torch.stack(expected[:3]).mean(0))


@pytest.mark.parametrize("slice_dim", [0, 1, 2])
def test_a_masked_slice_is_a_masked_image(slice_dim: int) -> None:
    prediction, target = volumes(1, 1, 18, 20, 19)
    mask = torch.ones_like(target)
    mask[..., 2:14, 3:9, 4:11] = 0
    mask[..., :6, :2, 12:] = 0
    found = mutual_information(prediction, target, mask=mask, slice_dims=(slice_dim,), num_levels=2)
    slices = zip(*(volume.unbind(2 + slice_dim) for volume in (prediction, target, mask)), strict=True)
    terms = [mutual_information(p, y, mask=m, num_levels=2) for p, y, m in slices if y[m > 0].unique().numel() > 1]
    torch.testing.assert_close(found, torch.stack(terms).mean(0))


@pytest.mark.parametrize(
    ("shape", "spacing"), [((256, 256), (1, 4)), ((256, 256), (1, 20)), ((128, 32, 32), (1, 9, 9))]
)
def test_large_images_of_uneven_spacing(shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(1, 1, *shape, generator=generator) > 0.5).float()
    prediction = (0.5 * target + 0.25).requires_grad_()
    information = mutual_information(prediction, target, spacing=spacing, **WHOLE)
    (gradient,) = torch.autograd.grad(information.sum(), prediction)
    assert (information > 1).all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"slice_dims": -1}, "slice_dims"),
        ({"slice_dims": "axial"}, "slice_dims"),
        ({"slice_dims": (1.0,)}, "slice_dims"),
        ({"slice_dims": torch.tensor([0, 0])}, "slice_dims"),
        ({"spacing": 1.0}, "spacing must be 3 positive"),
        ({"spacing": "affine"}, "spacing must be 3 positive"),
        ({"spacing": torch.ones(2, 3)}, "spacing must be 3 positive"),
        ({"mask": torch.ones(2, 1, 8, 8, 8)}, "mask must have"),
        ({"slice_dims": ()}, "slice_dims"),
        ({"slice_dims": (3,)}, "slice_dims"),
        ({"slice_dims": (2, -1)}, "slice_dims"),
        ({"slice_dims": None, "num_orientations": 4}, "num_orientations must be 3 or 6"),
        ({"slice_dims": None, "frequency_grid": "published"}, "published"),
        ({"frequency_grid": "published", "spacing": (1, 2, 1)}, "published"),
        ({"spacing": (1, 1)}, "spacing must be 3 positive"),
        ({"spacing": (1, 1, 0)}, "spacing must be 3 positive"),
        ({"mask": torch.ones(1, 1, 8, 8)}, "mask must have"),
        ({"target": torch.rand(1, 1, 8, 8, 9)}, "one shape"),
    ],
)
def test_bad_input_is_named(options: dict[str, Any], named: str) -> None:
    arguments: dict[str, Any] = {name: torch.rand(1, 1, 8, 8, 8) for name in ("prediction", "target")}
    with pytest.raises(ValueError, match=named):
        mutual_information(**arguments | options)
