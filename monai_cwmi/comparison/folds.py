"""Which images a model is trained on, chosen on, and compared on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monai_cwmi.data.datalists import Case, patient_of
from monai_cwmi.data.splits import split_by_group

TRAINING_SHARE = 0.8  # of what is not held out, as in the paper

Sections = dict[str, list[Case]]


def split_sections(sections: Mapping[str, Sequence[Case]], folds: int) -> list[Sections]:
    """Split a data set for cross-validation.

    No patient is in two sections of a fold. The patient of a case is its ``"patient"``, else the name of its image.

    Args:
        sections: Cases of the data set's own ``"training"``, ``"validation"`` and ``"test"`` sections.
        folds: Number of folds, into which all cases are pooled; each is the test section once, and of the others a
            fifth is the validation section. With 1, the sections are taken as they are.

    Returns:
        The three sections of each fold.

    Raises:
        ValueError: When there are fewer patients than a section of its own for each needs, or a section to be taken as
            it is has no case.

    Example:
        >>> cases = [{"image": f"{name}.png"} for name in "abcd"]
        >>> folds = split_sections({"training": cases, "validation": [], "test": []}, folds=2)
        >>> [len(fold["test"]) for fold in folds], sorted(case["image"] for fold in folds for case in fold["test"])
        ([2, 2], ['a.png', 'b.png', 'c.png', 'd.png'])
    """
    if folds < 1:
        raise ValueError(f"folds must be at least 1, got {folds}.")
    if folds == 1:
        empty = [name for name, cases in sections.items() if not cases]
        if empty:
            raise ValueError(
                f"The bundle's {' and '.join(empty)} section has no images. Does it look for its data in the right "
                "place (--set dataset_dir=...)? More folds than 1 make sections of what there is."
            )
        return [{name: list(cases) for name, cases in sections.items()}]
    # A data set without a test section may name another's images again.
    pooled = list({str(case["image"]): case for cases in sections.values() for case in cases}.values())
    patients = [patient_of(case) for case in pooled]
    if len(set(patients)) < max(folds, 3):
        raise ValueError(
            f"{folds} folds with training, validation and test sections need at least {max(folds, 3)} patients (or "
            f"images), but there are {len(set(patients))}."
        )
    held_out = split_by_group(patients, [1 / folds] * folds, seed=0)
    return [_fold(pooled, patients, set(part)) for part in held_out]


def _fold(pooled: Sequence[Case], patients: Sequence[str], held_out: set[int]) -> Sections:
    rest = [index for index in range(len(pooled)) if index not in held_out]
    parts = split_by_group([patients[index] for index in rest], (TRAINING_SHARE, 1 - TRAINING_SHARE), seed=0)
    training, validation = ([pooled[rest[position]] for position in part] for part in parts)
    return {"training": training, "validation": validation, "test": [pooled[index] for index in sorted(held_out)]}
