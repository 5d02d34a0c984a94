"""Random numbers that depend on the epoch and not on what came before it."""

from __future__ import annotations

import numpy as np
from ignite.engine import Engine, Events
from monai.data.utils import set_rnd
from monai.utils import set_determinism


class EpochSeeder:
    """Start each epoch with fresh random numbers, which follow from the seed and the number of the epoch alone.

    A run that is taken up again at an epoch then sees the same batches as one that was never interrupted. The random
    states of Python, NumPy, torch and of the data set's transforms are set, and the data loader starts anew.

    Args:
        seed: of the whole run.

    Example::

        EpochSeeder(seed=0).attach(trainer)
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        """Let a MONAI trainer call this when an epoch starts."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Set all random states."""
        # Mixed, or epoch 2 of one seed would be epoch 1 of the next.
        seed = int(np.random.SeedSequence((self.seed, engine.state.epoch)).generate_state(1)[0])
        set_determinism(seed)
        set_rnd(engine.data_loader.dataset, seed)
        # ignite would go on with the iterator of the epoch before, and its shuffled order.
        engine.set_data(engine.data_loader)
