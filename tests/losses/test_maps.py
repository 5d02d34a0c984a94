from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_cwmi.losses.maps import split_maps


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6)])
@pytest.mark.parametrize(("classes", "num_maps"), [(1, 1), (1, 3), (3, 1), (3, 2)])
def test_the_last_channels_are_the_maps(shape: tuple[int, ...], classes: int, num_maps: int) -> None:
    labels, maps = torch.rand(2, classes, *shape), torch.rand(2, num_maps, *shape)
    found = split_maps(torch.cat((labels, maps), 1), num_maps, needs="a transform")
    assert torch.equal(found[0], labels)
    assert torch.equal(found[1], maps)


def test_meta_tensors_keep_their_affine() -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 1.0]))
    labels, maps = split_maps(MetaTensor(torch.rand(1, 2, 4, 4), affine=affine), 1, needs="a transform")
    assert isinstance(labels, MetaTensor)
    assert torch.equal(labels.affine, affine.to(labels.affine))
    assert maps.shape == (1, 1, 4, 4)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_missing_map_is_named_with_its_transform(channels: int) -> None:
    with pytest.raises(ValueError, match=rf"2 map\(s\) behind it, but has {channels} channel.*add some.Transformd"):
        split_maps(torch.zeros(1, channels, 4, 4), 2, needs="some.Transformd")
