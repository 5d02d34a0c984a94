"""The weights of the best epoch, and the end of a training that gets no better."""

from __future__ import annotations

import os

from ignite.engine import Engine, Events
from monai.networks.utils import get_state_dict
from torch import nn

from monai_cwmi.training.files import save_whole


class KeepBest:
    """Save the weights of the epoch with the best validation, and stop when none has been better for some time.

    Both follow from ``best_metric`` and ``best_metric_epoch``, which MONAI's evaluators keep, so there is no other
    state to save and restore with a run. Attach it after the ``ValidationHandler``.

    Args:
        evaluator: MONAI's evaluator of the validation, with a key metric.
        network: whose weights are saved.
        path: file for the weights.
        patience: number of epochs without a better validation after which training stops.

    Example::

        KeepBest(evaluator, network, "models/model.pt", patience=10).attach(trainer)
    """

    def __init__(self, evaluator: Engine, network: nn.Module, path: str | os.PathLike[str], patience: int) -> None:
        self.evaluator = evaluator
        self.network = network
        self.path = path
        self.patience = patience

    def attach(self, engine: Engine) -> None:
        """Let a trainer call this when an epoch is complete."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self._report)

    def __call__(self, engine: Engine) -> None:
        """Save the weights if this epoch is the best, and stop if the best is long ago."""
        epoch, best = engine.state.epoch, self.evaluator.state.best_metric_epoch
        if self.evaluator.state.epoch != epoch:  # not validated
            return
        if best == epoch:
            save_whole(get_state_dict(self.network), self.path)
        elif epoch - best >= self.patience:
            print(f"Stopped after epoch {epoch}: no better validation in {epoch - best} epochs.")
            engine.terminate()

    def _report(self, _engine: Engine) -> None:
        state = self.evaluator.state
        print(f"Best: epoch {state.best_metric_epoch}, {state.key_metric_name} {state.best_metric:.4f} ({self.path})")
