from __future__ import annotations

from pathlib import Path

import pytest

from monai_cwmi.comparison.catalogue import Contestant, describe, load_contestants, loss_config, unwrapped

OWN = {"_target_": "DiceCELoss", "softmax": True, "to_onehot_y": True, "include_background": False, "lambda_ce": 2}
SHARED = {"softmax": True, "to_onehot_y": True, "include_background": False}


def test_names_keep_their_order() -> None:
    assert list(load_contestants(["CWMI", "CE"])) == ["CWMI", "CE"]


def test_the_published_loss_begins_with_cross_entropy_alone() -> None:
    assert load_contestants(["CWMI-published"])["CWMI-published"].starts == {"lambda_mi": 1}
    assert load_contestants(["CWMI"])["CWMI"].starts == {}


def test_any_loss_may_stand_under_scnp() -> None:
    contestants = load_contestants(["CWMI+SCNP", "RMI"])
    own = {"_target_": "monai_cwmi.CWMILoss", "softmax": True, "to_onehot_y": True, "ignore_index": 2}
    config = loss_config(contestants["CWMI+SCNP"], own)
    assert config == {"_target_": "monai_cwmi.losses.SCNPLoss", "loss": own}
    assert unwrapped(config) == own
    assert unwrapped(own) == own
    with pytest.raises(ValueError, match="no loss named 'Magic\\+SCNP'"):
        load_contestants(["Magic+SCNP"])


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("A:\n  loss: {_target_: DiceLoss}\nB:\n  loss: {_target_: DiceLoss, jaccard: true}\n")
    contestants = load_contestants(["CE", str(path)])
    assert list(contestants) == ["CE", "A", "B"]
    assert contestants["B"] == Contestant({"_target_": "DiceLoss", "jaccard": True})
    assert describe(contestants)["A"] == {"loss": {"_target_": "DiceLoss"}, "maps": [], "starts": {}, "scnp": False}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Magic"], "no loss named 'Magic'; there are: .*CWMI"),
        (["CE", "CE"], "two of: CE"),
        ([], "no losses to compare"),
        (["nowhere.yaml"], "no file nowhere.yaml"),
    ],
)
def test_names_that_mean_nothing(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_contestants(names)


@pytest.mark.parametrize("entry", ["{}", "{loss: {alpha: 1}}", "{loss: {_target_: DiceLoss}, map: []}", "3"])
def test_entries_that_are_no_losses(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f"Own: {entry}\n")
    with pytest.raises(ValueError, match=r"'Own' in .*own\.yaml must hold a loss with its _target_"):
        load_contestants([str(path)])


@pytest.mark.parametrize(("text", "message"), [("A: [1", "cannot be read"), ("[1, 2]", "must hold losses by name")])
def test_files_without_losses(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_contestants([str(path)])


def test_what_the_bundle_says_of_its_labels_goes_over() -> None:
    config = loss_config(Contestant({"_target_": "TverskyLoss", "alpha": 0.3}), OWN)
    assert config == {"_target_": "TverskyLoss", "alpha": 0.3} | SHARED


def test_a_loss_keeps_what_it_says_itself() -> None:
    config = loss_config(Contestant({"_target_": "DiceLoss", "include_background": True}), OWN)
    assert config["include_background"] is True


def test_focal_loss_has_its_own_word_for_softmax() -> None:
    with pytest.raises(ValueError, match=r"FocalLoss has no option softmax.*PreparedLoss"):
        loss_config(Contestant({"_target_": "FocalLoss"}), OWN)


@pytest.mark.parametrize(("options", "activation"), [({"use_softmax": True}, "softmax"), ({}, "sigmoid")])
def test_a_bundle_with_focal_loss(options: dict[str, bool], activation: str) -> None:
    config = loss_config(Contestant({"_target_": "DiceLoss"}), {"_target_": "FocalLoss"} | options)
    assert config == {"_target_": "DiceLoss", activation: True}


def test_an_option_that_the_loss_has_not() -> None:
    with pytest.raises(ValueError, match=r"SoftDiceclDiceLoss has no option ignore_index.* to 2.*PreparedLoss"):
        loss_config(Contestant({"_target_": "SoftDiceclDiceLoss"}), OWN | {"ignore_index": 2})


def test_slices_are_for_losses_that_know_them() -> None:
    own = OWN | {"_target_": "monai_cwmi.CWMILoss", "slice_dims": [-1]}
    assert loss_config(Contestant({"_target_": "DiceLoss"}), own) == {"_target_": "DiceLoss"} | SHARED
    assert loss_config(Contestant({"_target_": "monai_cwmi.CWMILoss"}), own)["slice_dims"] == [-1]


def test_a_class_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match=r"no monai_cwmi\.NoLoss"):
        loss_config(Contestant({"_target_": "monai_cwmi.NoLoss"}), OWN)
