from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_cwmi.training import KeepBest


def run(path: Path, scores: dict[int, float], patience: int, epochs: int = 10) -> Any:
    """A training whose weight is the number of the epoch and whose validations score as given."""
    network = nn.Linear(1, 1, bias=False)
    state = SimpleNamespace(epoch=0, best_metric=-1, best_metric_epoch=-1, key_metric_name="mean_dice")
    trainer = Engine(lambda *_: None)

    @trainer.on(Events.EPOCH_COMPLETED)
    def train_and_validate(engine: Any) -> None:
        epoch = engine.state.epoch
        network.load_state_dict({"weight": torch.full((1, 1), float(epoch))})
        if epoch in scores:
            state.epoch = epoch
            if scores[epoch] > state.best_metric:
                state.best_metric, state.best_metric_epoch = scores[epoch], epoch

    KeepBest(SimpleNamespace(state=state), network, path, patience).attach(trainer)
    return trainer.run([0], max_epochs=epochs)


@pytest.mark.parametrize(
    ("scores", "patience", "best", "last"),
    [
        ([0.2, 0.5, 0.4, 0.5, 0.3, 0.6], 3, 2, 5),  # an equal score is not better
        ([0.2, 0.5, 0.4, 0.5, 0.3, 0.6], 4, 6, 6),
        ([0.9, 0.1, 0.1, 0.1, 0.1, 0.1], 1, 1, 2),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1, 6, 6),
    ],
)
def test_the_best_is_kept_and_training_stops(
    tmp_path: Path, scores: list[float], patience: int, best: int, last: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "model.pt"
    state = run(path, dict(enumerate(scores, 1)), patience, epochs=len(scores))
    assert state.epoch == last
    assert torch.load(path, weights_only=True) == {"weight": torch.tensor([[best]])}
    printed = capsys.readouterr().out
    assert f"Best: epoch {best}, mean_dice {scores[best - 1]:.4f} ({path})" in printed
    assert ("Stopped after" in printed) == (last < len(scores))


def test_epochs_without_a_validation_do_not_count_as_worse(tmp_path: Path) -> None:
    # Validations are further apart than the patience is long.
    assert run(tmp_path / "model.pt", {4: 0.5, 8: 0.6}, patience=2).epoch == 10
    assert run(tmp_path / "model.pt", {4: 0.5, 8: 0.4}, patience=2).epoch == 8
