"""Pictures of a validation in TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence

from ignite.engine import Engine, Events
from monai.handlers.tensorboard_handlers import TensorBoardHandler
from monai.transforms import AsDiscrete

from monai_cwmi.pictures.panels import draw_panels
from monai_cwmi.pictures.transforms import read_panels

DPI = 75  # half of what is saved: a training leaves many pictures


class TensorBoardPanelsHandler(TensorBoardHandler):
    """Draw the last case of a validation: image, target and prediction side by side, with its classes in colour.

    MONAI's ``TensorBoardImageHandler`` shows each of them by itself, in grey values that depend on which classes are
    present, and as its readers lay out the axes; of a volume, a film of sagittal slices. This shows what
    :class:`monai_cwmi.pictures.SavePanelsd` saves, under the tag ``validation``, at the first epoch and every
    ``interval`` epochs.

    Args:
        log_dir: folder of the TensorBoard files.
        class_names: names for the legend, the background's first.
        interval: number of epochs from one picture to the next.

    Raises:
        RuntimeError: When TensorBoard is not installed.
        ValueError: When ``interval`` is not positive; in a validation, as :func:`monai_cwmi.pictures.draw_panels` says.

    Example::

        TensorBoardPanelsHandler("eval", ["background", "myelin", "axon"], interval=5).attach(evaluator)
    """

    def __init__(self, log_dir: str, class_names: Sequence[str], interval: int = 1) -> None:
        if interval < 1:
            raise ValueError(f"interval must be 1 at least, got {interval}.")
        super().__init__(log_dir=log_dir)
        self.class_names = class_names
        self.interval = interval
        self.as_classes = AsDiscrete(argmax=True)

    def attach(self, engine: Engine) -> None:
        """Let a MONAI evaluator call this when an epoch is complete.

        Its postprocessing must leave ``pred`` and ``label`` as one-hot channels, as MONAI's metrics need them.
        """
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Draw the case."""
        epoch = engine.state.epoch
        if epoch > 1 and epoch % self.interval:
            return
        case = engine.state.output[-1]
        classes = {key: self.as_classes(case[key]) for key in ("pred", "label")}
        panels = read_panels(case | classes, "pred", "image", "label")
        figure = draw_panels(**panels, class_names=self.class_names)
        figure.set_dpi(DPI)
        self._writer.add_figure("validation", figure, epoch)
        self._writer.flush()
