"""The terms of a loss, watched by themselves while it trains."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor, nn

Terms = Callable[[Tensor, Tensor], Mapping[str, Tensor]]


class LossTermsHandler:
    """Add each term of a loss to a trainer's metrics.

    When an epoch is complete, ``engine.state.metrics`` holds the terms by name: of :class:`monai_cwmi.CWMILoss`
    ``cross_entropy``, ``dice``, ``mutual_information_level_1`` (the finest) to ``mutual_information_level_N`` in nats
    for each orientation, ``highpass_error`` and ``lowpass_error``. They are the means over the images and channels of
    the first and then every ``interval``-th batch of this epoch. What MONAI has to log metrics (``StatsHandler``,
    ``TensorBoardStatsHandler``, ``MLFlowHandler``) logs them when it is attached after this. They are computed anew,
    without a gradient, and whatever their weights in the loss are. Of a network with deep supervision, the finest
    prediction counts; of several processes, each by itself. With a loss that has no ``terms``, nothing is added. Which
    loss it is stands in the log when the training starts.

    Args:
        loss: a :class:`monai_cwmi.CWMILoss`, or another loss, which then is left alone. Give the one that a
            ``DeepSupervisionLoss`` holds, not the ``DeepSupervisionLoss``.
        interval: number of steps from one batch that counts to the next.

    Raises:
        ValueError: When ``interval`` is not positive.

    Example::

        loss = CWMILoss(softmax=True, to_onehot_y=True)
        trainer = SupervisedTrainer(
            loss_function=loss, train_handlers=[LossTermsHandler(loss), TensorBoardStatsHandler()], ...
        )
    """

    def __init__(self, loss: nn.Module, interval: int = 1) -> None:
        if interval < 1:
            raise ValueError(f"interval must be 1 at least, got {interval}.")
        self.interval = interval
        self.name = repr(loss)
        self.terms: Terms | None = getattr(loss, "terms", None)
        self.values: dict[str, list[Tensor]] = defaultdict(list)

    def attach(self, engine: Engine) -> None:
        """Let a MONAI trainer call this when it starts, at each step and when an epoch is complete."""
        engine.add_event_handler(Events.STARTED, lambda: logging.getLogger(__name__).info("The loss is %s", self.name))
        if self.terms is not None:
            engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
            engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self._collect, self.terms)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._average)

    def _begin(self) -> None:
        self.values.clear()

    def _collect(self, engine: Engine, terms: Terms) -> None:
        step = (engine.state.iteration - 1) % engine.state.epoch_length
        if step % self.interval:
            return
        prediction, label = engine.state.output["pred"], engine.state.output["label"]
        if isinstance(prediction, (list, tuple)):
            prediction = prediction[0]
        with torch.no_grad():
            found = terms(prediction, label)
        for name, values in found.items():
            if values.ndim == 2:  # (B, C) of the image as a whole
                self.values[name].append(values.flatten())
                continue
            for level, of_level in enumerate(values, 1):  # (N, B, C)
                self.values[f"{name}_level_{level}"].append(of_level.flatten())

    def _average(self, engine: Engine) -> None:
        for name, values in self.values.items():
            # NaN is a level that an image has no room for.
            engine.state.metrics[name] = torch.cat(values).nanmean().item()
