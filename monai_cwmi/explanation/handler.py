"""At which size of structure a model loses information: a table and a picture of a whole evaluation."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from matplotlib.figure import Figure
from monai.data import MetaTensor
from monai.handlers import from_engine
from monai.transforms import Orientation
from monai.utils import ImageMetaKey

from monai_cwmi.explanation.figures import draw_explained_variance, format_size
from monai_cwmi.metrics import InformationByLevelMetric, structure_sizes

_COLUMNS = ("case", "class", "level", "size", "unit", "explained_variance")


def _metadata_of_images(batch: Any) -> list[dict[str, Any]]:
    return [case["image"].meta for case in batch]


class InformationReport:
    """Writes ``information.csv`` and ``information.png`` when an evaluation is complete.

    For each case, class and level of the pyramid: the size of the structures and the share of them that the prediction
    keeps, by :class:`monai_cwmi.metrics.InformationByLevelMetric`. The picture has the cases as points, and lines
    through the mean of their shares. Where predictions are decided (one-hot), it is what the decided prediction keeps.

    Volumes are turned to RAS, compared slice by slice along their axial axis, and measured in mm by the affine of each
    label. Pictures are measured in pixels, unless their spacing is given.

    Args:
        output_dir: Folder to write to; it is made when needed.
        class_names: The background's first; it is left out.
        num_levels: ``N``.
        slice_dims: Axes that volumes are cut along; ``None`` for volumes as a whole.
        spacing: Of the pixels of pictures.
        unit: Of ``spacing``.
        output_transform: Takes one-hot predictions and targets out of the engine's output, as lists of channel-first
            tensors.
        batch_transform: Takes the cases' metadata out of the engine's batch.

    Example::

        InformationReport("eval", ["background", "liver"]).attach(evaluator)
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        class_names: Sequence[str],
        num_levels: int = 4,
        slice_dims: Sequence[int] | None = (-1,),
        spacing: Sequence[float] | None = None,
        unit: str = "mm",
        output_transform: Callable[[Any], Any] = from_engine(["pred", "label"]),  # noqa: B008
        batch_transform: Callable[[Any], Any] = _metadata_of_images,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.class_names = tuple(class_names[1:])
        self.num_levels = num_levels
        self.slice_dims = slice_dims
        self.spacing = spacing
        self.unit = "px" if spacing is None else unit
        self.output_transform = output_transform
        self.batch_transform = batch_transform

    def attach(self, engine: Engine) -> None:
        """Let an evaluator call this."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.update)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def start(self, _: Engine) -> None:
        """Forget earlier cases."""
        self.names: list[str] = []
        self.units: list[str] = []
        self.sizes: list[list[float]] = []  # (cases, N)
        self.explained_variance: list[np.ndarray] = []  # (C, N) each

    def update(self, engine: Engine) -> None:
        """Measure the cases of a batch."""
        predictions, targets = self.output_transform(engine.state.output)
        metadata = self.batch_transform(engine.state.batch)
        for prediction, target, meta in zip(predictions, targets, metadata, strict=True):
            prediction, target, spacing, unit = self._oriented(prediction, target)
            options: dict[str, Any] = {"num_levels": self.num_levels, "slice_dims": self.slice_dims, "spacing": spacing}
            metric = InformationByLevelMetric(include_background=False, **options)
            self.explained_variance.append(metric([prediction], [target])[0].cpu().numpy())
            sizes = structure_sizes(self.num_levels, target.ndim - 1, slice_dims=self.slice_dims, spacing=spacing)
            self.sizes.append(sizes)
            self.units.append(unit)
            self.names.append(Path(str(meta[ImageMetaKey.FILENAME_OR_OBJ])).name)

    def write(self, _: Engine) -> None:
        """Write table and picture of all cases."""
        if not self.names:
            return
        self.output_dir.mkdir(parents=True, exist_ok=True)
        with (self.output_dir / "information.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for name, unit, sizes, classes in zip(
                self.names, self.units, self.sizes, self.explained_variance, strict=True
            ):
                for class_name, shares in zip(self.class_names, classes, strict=True):
                    for level, (size, share) in enumerate(zip(sizes, shares, strict=True), start=1):
                        writer.writerow((name, class_name, level, f"{size:.6g}", unit, f"{share:.6g}"))
        figure = Figure(figsize=(6.5, 4.6), dpi=150, layout="constrained")
        numbers = (np.array(self.sizes), np.stack(self.explained_variance))
        draw_explained_variance(figure.subplots(), *numbers, class_names=self.class_names, unit=self.units[0])
        count = len(self.names)
        cases = "1 case" if count == 1 else f"{count} cases (points) and their mean (line)"
        is_left_out = np.isnan(numbers[1]).all((0, 1))  # (N,)
        if is_left_out.any():
            coarsest = format_size(numbers[0][:, is_left_out].min(), self.units[0])
            cases += f"\nleft out, as no case has enough of them: structures of {coarsest} and more"
        figure.supxlabel(cases, fontsize=11)
        figure.savefig(self.output_dir / "information.png")

    def _oriented(
        self, prediction: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[float, ...] | None, str]:
        if target.ndim == 3:
            return prediction, target, None if self.spacing is None else tuple(self.spacing), self.unit
        if not isinstance(target, MetaTensor):
            raise ValueError("InformationReport needs labels of volumes to be MetaTensors, for the size of a voxel.")
        turned = Orientation("RAS", labels=None)(target)
        prediction = Orientation("RAS", labels=None)(MetaTensor(torch.as_tensor(prediction), affine=target.affine))
        return prediction, turned, tuple(turned.pixdim.tolist()), "mm"
