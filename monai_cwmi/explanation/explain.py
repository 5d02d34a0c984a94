"""What the loss sees of one case: pictures, a table and an interactive page."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from monai_cwmi.bands.filters import orientation_axes
from monai_cwmi.explanation.bands import compute_bands
from monai_cwmi.explanation.cases import ExplainedCase, read_case
from monai_cwmi.explanation.figures import draw_bands, draw_gradients, draw_information, format_size, sentence
from monai_cwmi.explanation.gradients import TermGradient, compute_gradients, term_words
from monai_cwmi.explanation.page_content import PageContent
from monai_cwmi.explanation.planes import choose_view, grey_values
from monai_cwmi.losses import CWMILoss
from monai_cwmi.metrics.levels import LevelInformation, information_by_level, structure_sizes

_SLICED, _WHOLE = (-1,), None


class Explanation(NamedTuple):
    """What :func:`explain` did.

    Attributes:
        sentences: How much of each class is explained.
        written: The files.
    """

    sentences: list[str]
    written: list[Path]


def explain(
    image: str | os.PathLike[str],
    label: str | os.PathLike[str],
    prediction: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    label_values: Sequence[int] | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "mm",
    num_levels: int = 4,
    num_orientations: int | None = None,
    whole_volume: bool = False,
    phase: bool = False,
) -> Explanation:
    """Show what the loss sees of a case.

    Writes ``information.png`` and ``information.csv`` (explained variance at each level); for each class
    ``bands_<class>.png`` (subbands of target and prediction) and ``gradients_<class>.png`` (the gradient of each term
    over the image); and ``page.html`` with all of it, slice by slice. Of a volume, the pictures show the axial slice
    that holds most of the target; of a large plane, the window in which the prediction errs most.

    Args:
        image: Image file, or folder of a DICOM series.
        label: Its label map.
        prediction: A label map, or probabilities; see :func:`monai_cwmi.explanation.read_case`, also for the rest.
        out: Folder to write to; it is made when needed.
        class_names: The background's first.
        label_values: What label maps hold for the classes.
        spacing: Of a picture's pixels.
        unit: Of ``spacing``.
        num_levels: ``N``.
        num_orientations: ``K``.
        whole_volume: Compare volumes as a whole, with bands in space. Default: slice by slice, as the loss does.
        phase: Show the phase of bands as hue.

    Returns:
        How much is explained, in words, and the files.

    Raises:
        ImportError: Without plotly.
        ValueError: When the input does not fit together.

    Example::

        explain("scan.nii.gz", "label.nii.gz", "scan_seg.nii.gz", "explanation", class_names=["background", "liver"])
    """
    try:  # before the work: nothing else here needs plotly
        from monai_cwmi.explanation.page import write_page
    except ImportError as error:
        raise ImportError(f"{error}. The interactive page needs: pip install 'monai-cwmi[explain]'") from error
    case = read_case(
        image, label, prediction, class_names=class_names, label_values=label_values, spacing=spacing, unit=unit
    )
    slice_dims = _WHOLE if whole_volume else _SLICED
    options: dict[str, Any] = {"num_levels": num_levels, "num_orientations": num_orientations}
    options |= {"slice_dims": slice_dims, "spacing": case.spacing}
    levels = information_by_level(case.probabilities[None], case.target[None], **options)
    all_sizes = structure_sizes(num_levels, case.target.ndim - 1, slice_dims=slice_dims, spacing=case.spacing)
    count = len(levels.explained_variance)
    sizes, left_out = all_sizes[:count], all_sizes[count:]
    if not sizes:
        raise ValueError(f"The image {image} is too small for a level: its shape is {tuple(case.image.shape[1:])}.")
    options["num_levels"] = count
    gradients = compute_gradients(case.probabilities, case.target, CWMILoss(softmax=True, **options))

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    names = case.class_names[1:]
    figures = {"information": _information_figure(levels, names, sizes, case.unit)}
    for index, name in enumerate(names, start=1):
        key = re.sub(r"[^\w.-]+", "_", name)
        figures[f"bands_{key}"] = bands_figure(case, index, sizes, options, phase=phase)
        figures[f"gradients_{key}"] = gradients_figure(case, gradients, index, sizes)
    written = []
    for name, figure in figures.items():
        written.append(folder / f"{name}.png")
        figure.savefig(written[-1])
    written.append(_write_table(folder / "information.csv", levels, names, sizes, case.unit))
    written.append(folder / "page.html")
    explained_variance = levels.explained_variance[:, 0, 1:].numpy()  # (N, C - 1)
    shares = explained_variance.T.tolist()
    sentences = [sentence(name, share, sizes, case.unit) for name, share in zip(names, shares, strict=True)]
    if left_out:
        sentences.append(
            f"Structures of {format_size(left_out[0], case.unit)} and more are left out: the image has too few of them "
            "to tell what is explained from what is chance."
        )
    write_page(
        written[-1],
        PageContent(case, gradients, options),
        title=f"What the loss sees: {Path(prediction).name} and {Path(label).name}",
        size_names=[format_size(size, case.unit) for size in sizes],
        explained_variance=explained_variance,
        words=sentences,
    )
    return Explanation(sentences, written)


def _information_figure(levels: LevelInformation, names: Sequence[str], sizes: Sequence[float], unit: str) -> Figure:
    explained_variance, information, bound = (values[:, 0, 1:].numpy() for values in levels)  # (N, C - 1)
    return draw_information(explained_variance, information, bound, class_names=names, sizes=sizes, unit=unit)


def bands_figure(
    case: ExplainedCase, index: int, sizes: Sequence[float], options: dict[str, Any], *, phase: bool = False
) -> Figure:
    """Bands of one class in the part of the case that :func:`monai_cwmi.explanation.choose_view` shows.

    Args:
        case: The case.
        index: Of the class.
        sizes: Of the structures at each level.
        options: ``num_levels``, ``num_orientations`` and ``slice_dims``.
        phase: Show the phase as hue.
    """
    view = choose_view(case)
    pair = [tensor[index] for tensor in (case.probabilities, case.target)]
    in_space = view.axial is not None and options["slice_dims"] is None
    if view.axial is not None and not in_space:
        pair = [volume[..., view.axial] for volume in pair]
    steps = case.spacing if in_space else case.spacing[:2]
    pyramid = {key: options[key] for key in ("num_levels", "num_orientations")}
    bands = compute_bands(*pair, **pyramid, spacing=steps)
    axes = orientation_axes(len(bands.target[0]), len(steps)).tolist()
    shown = [[np.stack([view.show(band) for band in level.numpy()]) for level in side] for side in bands]
    masks = (view.show(case.target[index].numpy()), view.show(case.probabilities[index].numpy()))
    return draw_bands(
        (shown[0], shown[1]),
        masks,
        directions=["({:.1f}, {:.1f}, {:.1f})".format(*axis) if in_space else _edges(*axis) for axis in axes],
        meaning="direction across the edges (right, front, head)" if in_space else "direction of the edges",
        sizes=sizes,
        unit=case.unit,
        title=f"What the loss compares: bands of {case.class_names[index]}{view.words}",
        aspect=case.spacing[1] / case.spacing[0],
        phase=phase,
    )


def gradients_figure(case: ExplainedCase, gradients: list[TermGradient], index: int, sizes: Sequence[float]) -> Figure:
    """Gradient of each term for one class, in the part that :func:`monai_cwmi.explanation.choose_view` shows."""
    view = choose_view(case)
    image = np.stack([view.show(channel) for channel in grey_values(case)], -1)
    length = 2.0 ** math.floor(math.log2(view.shape[1] * case.spacing[0] / 3))  # a third to a sixth of the width
    target, prediction, *maps = (
        view.show(array.detach().numpy())
        for array in (
            case.target[index],
            case.probabilities[index],
            *(gradient.values[index] for gradient in gradients),
        )
    )
    return draw_gradients(
        image if image.shape[-1] == 3 else image[..., 0],
        target,
        prediction,
        maps,
        [_title(gradient, sizes, case.unit) for gradient in gradients],
        title=f"Gradient of each term of the loss: {case.class_names[index]}{view.words}",
        bar=(length / case.spacing[0], format_size(length, case.unit)),
        aspect=case.spacing[1] / case.spacing[0],
    )


def _title(gradient: TermGradient, sizes: Sequence[float], unit: str) -> str:
    words = term_words(gradient.term)
    return words if gradient.level is None else f"{words}, {format_size(sizes[gradient.level - 1], unit)}"


def _edges(first: float, second: float) -> str:
    """The direction of the edges that a wave along these axes stands for: across it, in degrees from the horizontal."""
    angle = round(math.degrees(math.atan2(first, second))) % 180
    sign = {
        0: "─",
        45: "\N{BOX DRAWINGS LIGHT DIAGONAL UPPER RIGHT TO LOWER LEFT}",
        90: "│",
        135: "\N{BOX DRAWINGS LIGHT DIAGONAL UPPER LEFT TO LOWER RIGHT}",
    }.get(angle, "")
    return f"{sign} {angle}°"


def _write_table(path: Path, levels: LevelInformation, names: Sequence[str], sizes: Sequence[float], unit: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "level", "size", "unit", "explained_variance", "information", "bound"])
        for index, name in enumerate(names, start=1):
            for level, size in enumerate(sizes):
                values = [f"{value[level, 0, index].item():.6g}" for value in levels]
                writer.writerow([name, level + 1, f"{size:.6g}", unit, *values])
    return path
