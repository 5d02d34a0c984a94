from __future__ import annotations

from pathlib import Path

import torch
from monai.transforms import Compose, Flip, Identity, RandFlip

from monai_cwmi.comparison.bundle_config import Bundle, find_bundle
from monai_cwmi.comparison.trained_bundle import open_bundle, with_maps


def test_nothing_is_written_into_the_bundle(bundle: Bundle) -> None:
    workflow = open_bundle(bundle, {})
    workflow.run()
    assert {path.name for path in Path(bundle.root).iterdir()} <= {"configs", "scripts"}


def test_an_override_of_an_override(bundle: Bundle) -> None:
    changed = find_bundle(bundle.root, (), {"train#trainer#max_epochs": 7})
    assert open_bundle(changed, {}).parser["train#trainer#max_epochs"] == 7
    assert open_bundle(changed, {"train#trainer#max_epochs": 9}).parser["train#trainer#max_epochs"] == 9


def test_maps_come_before_what_is_random() -> None:
    chain = with_maps(Compose([Compose([Identity()]), RandFlip(), Identity()]), [Flip()])
    assert [type(each).__name__ for each in chain.transforms] == ["Identity", "Flip", "RandFlip", "Identity"]
    assert [type(each).__name__ for each in with_maps(Identity(), [Flip()]).transforms] == ["Identity", "Flip"]


def test_maps_keep_the_options_of_the_chain() -> None:
    assert with_maps(Compose([Flip()], lazy=True, map_items=2), []).lazy is True
    assert with_maps(Compose([Flip()], lazy=True, map_items=2), []).map_items == 2


def test_maps_do_not_change_the_random_numbers() -> None:
    plain, mapped = Compose([RandFlip(0.5)]), with_maps(Compose([RandFlip(0.5)]), [Identity()])
    image = torch.arange(4.0)[None]
    for chain in (plain, mapped):
        chain.set_random_state(seed=1)
    assert [plain(image).tolist() for _ in range(20)] == [mapped(image).tolist() for _ in range(20)]
