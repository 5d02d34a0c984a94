from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.handlers import StatsHandler
from monai.losses import DeepSupervisionLoss, DiceCELoss, DiceLoss
from torch import Tensor, nn

from monai_cwmi import CWMILoss
from monai_cwmi.bands.spec import BandOptions
from monai_cwmi.functional import measure_bands
from monai_cwmi.measures import MutualInformation, ResidualError
from monai_cwmi.training import LossTermsHandler

SIZE = 64


class TwoHeads(nn.Module):
    """Predictions of two sizes, as a network with deep supervision gives in training."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, 3, 3, padding=1)

    def forward(self, image: Tensor) -> list[Tensor]:
        scores = self.head(image)
        return [scores, F.avg_pool2d(scores, 2)]


def make_trainer(
    loss: nn.Module, watched: nn.Module, *, network: type[nn.Module] | None = None, epochs: int = 2, interval: int = 1
) -> Any:
    """Five cases in batches of two; ``trainer.batches`` collects epoch, finest prediction, label and loss."""
    generator = torch.Generator().manual_seed(0)
    cases = [{"image": torch.rand(1, SIZE, SIZE, generator=generator)} for _ in range(5)]
    for case in cases:
        case["label"] = F.avg_pool2d(case["image"], 5, 1, 2).mul(12).sub(5).round().clamp(0, 2)
    torch.manual_seed(0)
    model = network() if network else nn.Conv2d(1, 3, 3, padding=1)
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=epochs,
        train_data_loader=DataLoader(Dataset(cases), batch_size=2, shuffle=False),
        network=model,
        optimizer=torch.optim.SGD(model.parameters(), 0.01),
        loss_function=loss,
        train_handlers=[LossTermsHandler(watched, interval), StatsHandler(iteration_log=False)],
    )
    trainer.batches, trainer.history = [], []

    @trainer.on(IterationEvents.LOSS_COMPLETED)
    def remember(engine: Any) -> None:
        output = engine.state.output
        finest = output["pred"][0] if network else output["pred"]
        trainer.batches.append((engine.state.epoch, finest.detach().clone(), output["label"], output["loss"].item()))

    @trainer.on(Events.EPOCH_COMPLETED)
    def keep(engine: Any) -> None:
        trainer.history.append(dict(engine.state.metrics))

    trainer.run()
    return trainer


def expected_terms(trainer: Any, epoch: int) -> dict[str, float]:
    """By PyTorch's cross-entropy, MONAI's Dice and the measures, over all images of the epoch at once."""
    scores, labels = (torch.cat([batch[n] for batch in trainer.batches if batch[0] == epoch]) for n in (1, 2))
    assert len(scores) == 5
    classes = labels[:, 0].long()
    one_hot = F.one_hot(classes, 3).movedim(-1, 1).float()
    pair = scores.softmax(1), one_hot
    information, errors = measure_bands(*pair, [MutualInformation(), ResidualError()], BandOptions())
    levels = {
        f"mutual_information_level_{level}": value.mean().item() / 4 for level, value in enumerate(information, 1)
    }
    base = {
        "cross_entropy": F.cross_entropy(scores, classes).item(),
        "dice": DiceLoss(smooth_nr=1, smooth_dr=1)(*pair).item(),
    }
    return base | levels | dict(zip(("highpass_error", "lowpass_error"), errors.mean((1, 2)).tolist(), strict=True))


def make_loss(**options: Any) -> CWMILoss:
    return CWMILoss(**{"softmax": True, "to_onehot_y": True, "weight": None, "gate": False} | options)


@pytest.mark.parametrize("lambda_mi", [1.0, 0.0])
def test_each_epoch_has_the_means_of_its_own_images(lambda_mi: float) -> None:
    loss = make_loss(lambda_mi=lambda_mi)
    trainer = make_trainer(loss, loss)
    for epoch, metrics in enumerate(trainer.history, 1):
        assert metrics == pytest.approx(expected_terms(trainer, epoch), rel=1e-5)
        assert len(metrics) == 8
    assert trainer.history[0] != trainer.history[1]


def test_the_weighted_terms_add_up_to_the_loss() -> None:
    loss = make_loss(lambda_ce=0.9, lambda_dice=0.8, lambda_mi=0.4, lambda_residual=0.6)
    trainer = make_trainer(loss, loss, epochs=1)
    (metrics,) = trainer.history
    sizes, losses = zip(*((len(batch[1]), batch[3]) for batch in trainer.batches), strict=True)
    mean = sum(size * value for size, value in zip(sizes, losses, strict=True)) / sum(sizes)
    expected = 0.9 * metrics.pop("cross_entropy") + 0.8 * metrics.pop("dice")
    expected += 0.3 * (metrics.pop("highpass_error") + metrics.pop("lowpass_error"))
    assert expected - 0.4 * sum(metrics.values()) / 4 == pytest.approx(mean, rel=1e-5)


def test_of_deep_supervision_the_finest_prediction_counts() -> None:
    loss = make_loss()
    trainer = make_trainer(DeepSupervisionLoss(loss), loss, network=TwoHeads, epochs=1)
    assert trainer.history[0] == pytest.approx(expected_terms(trainer, 1), rel=1e-5)


def test_they_are_logged_with_the_metrics(caplog: pytest.LogCaptureFixture) -> None:
    loss = make_loss(num_levels=2)
    with caplog.at_level("INFO"):
        trainer = make_trainer(loss, loss, epochs=1)
    for name in ("cross_entropy", "mutual_information_level_1", "mutual_information_level_2"):
        assert f"{name}: {trainer.history[0][name]:.4f}" in caplog.text


def test_training_is_not_changed() -> None:
    watched, unwatched = (make_trainer(make_loss(), loss).network.weight for loss in (make_loss(), nn.Identity()))
    assert torch.equal(watched, unwatched)


def test_a_loss_without_terms_trains_as_ever() -> None:
    loss = DiceCELoss(softmax=True, to_onehot_y=True)
    trainer = make_trainer(loss, loss)
    assert trainer.history == [{}, {}]


def test_only_every_so_many_batches() -> None:
    loss = make_loss()
    trainer = make_trainer(loss, loss, interval=2)  # batches of 2, 2 and 1 images
    for epoch in (1, 2):
        counted = [batch for batch in trainer.batches if batch[0] == epoch][::2]
        entropy = torch.cat([F.cross_entropy(b[1], b[2][:, 0].long(), reduction="none").mean((1, 2)) for b in counted])
        assert trainer.history[epoch - 1]["cross_entropy"] == pytest.approx(entropy.mean().item(), rel=1e-5)


def test_an_interval_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="interval must be 1 at least, got 0"):
        LossTermsHandler(make_loss(), interval=0)


class TwoImages(nn.Module):
    """In place of a loss, terms of two images, of which one has no room for the second level."""

    def terms(self, *_: Tensor) -> dict[str, Tensor]:
        levels = torch.tensor([[1.0, 2.0], [3.0, torch.nan]])[:, :, None]  # (N, B, C)
        return {"whole": torch.tensor([[0.5], [1.5]]), "by": levels}


def test_images_without_room_for_a_level_do_not_count() -> None:
    trainer = make_trainer(make_loss(), TwoImages(), epochs=1)
    assert trainer.history == [{"whole": 1, "by_level_1": 1.5, "by_level_2": 3}]


@pytest.mark.parametrize("loss", [make_loss(lambda_mi=0.5), DiceCELoss(softmax=True, to_onehot_y=True)])
def test_a_training_says_which_loss_it_uses(loss: nn.Module, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="monai_cwmi"):
        make_trainer(loss, loss, epochs=1)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("monai_cwmi")] == [
        f"The loss is {loss!r}"
    ]
