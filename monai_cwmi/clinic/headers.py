"""What the text headers of NRRD and MetaImage files leave open, and ITK fills in without a word."""

from __future__ import annotations

import re
from pathlib import Path

from monai_cwmi.clinic.geometry import is_length

HEADER_LIMIT = 1 << 16  # bytes
MILLIMETRES = {"", "?", "mm", "millimeter", "millimetre", "millimeters", "millimetres"}


def header_defects(path: Path) -> list[str]:
    """Name what of lengths is missing in an NRRD, NHDR, MHA or MHD file, or in other units than mm."""
    with path.open("rb") as file:
        text = file.read(HEADER_LIMIT).decode("latin-1")
    if path.suffix.lower() in (".mha", ".mhd"):
        fields = dict(re.findall(r"(?m)^(\w+) *= *(.*?)\r?$", text.partition("ElementDataFile")[0]))
        name, units = "ElementSpacing", fields.get("DistanceUnits", "").split()
    else:
        fields = dict(re.findall(r"(?m)^([a-z ]+):=? *(.*?)\r?$", re.split(r"\r?\n\r?\n", text)[0]))
        name, units = "spacings", re.findall(r'"([^"]*)"', fields.get("space units") or fields.get("units") or "")
    defects = []
    if not fields:
        return []  # no header, as reading will show
    # "space directions" are vectors, which may point anywhere.
    if "space directions" not in fields and not _are_lengths(fields.get(name, "")):
        found = f"{name}: {fields[name]}" if name in fields else f"no {name}"
        defects.append(f"the size of its voxels is not known ({found}): write it with the spacing that it has")
    strange = sorted({unit for unit in units if unit.lower() not in MILLIMETRES})
    if strange:
        defects.append(f"its lengths are in {', '.join(strange)}, which SimpleITK takes for mm: write it in mm")
    return defects


def _are_lengths(text: str) -> bool:
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        return False
    return bool(values) and all(map(is_length, values))
