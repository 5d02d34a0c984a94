from __future__ import annotations

import pytest
import torch

from monai_cwmi.bands.batches import as_images, groups


@pytest.mark.parametrize("slice_dim", [None, 0, 1, 2])
@pytest.mark.parametrize("pixels", [1, 25, 60, 10**6])
def test_groups_hold_every_image_once_and_in_order(
    slice_dim: int | None, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_cwmi.bands.batches._PIXELS", pixels)
    volumes = torch.arange(3 * 4 * 5 * 6.0).reshape(3, 4, 5, 6)
    images = as_images(volumes, slice_dim)
    assert images.data_ptr() == volumes.data_ptr()
    expected = volumes if slice_dim is None else torch.cat([v.movedim(slice_dim, 0) for v in volumes])

    written = torch.zeros_like(volumes)
    places: list[int] = []
    sizes: list[int] = []
    for group in groups(images):
        part = group.of(images)
        torch.testing.assert_close(part, expected[group.images], rtol=0, atol=0)
        group.put(as_images(written, slice_dim), part)
        places += range(len(expected))[group.images]
        sizes.append(part.numel())
    assert places == list(range(len(expected)))
    assert max(sizes) <= max(pixels, images[0, 0].numel())
    assert torch.equal(written, volumes)
