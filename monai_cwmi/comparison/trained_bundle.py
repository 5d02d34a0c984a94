"""Bundles made ready to be trained, as the process of one training needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai.bundle import ConfigWorkflow
from monai.transforms import Compose, Transform
from monai.transforms.traits import RandomizableTrait

from monai_cwmi.comparison.bundle_config import Bundle, read_bundle


def open_bundle(bundle: Bundle, overrides: Mapping[str, Any]) -> ConfigWorkflow:
    """Read a bundle's training as :func:`.read_bundle` does, and run its ``initialize``."""
    workflow = ConfigWorkflow(bundle.config_files, meta_file=[], logging_file=False, workflow_type="train")
    workflow.parser = read_bundle(bundle, overrides)
    workflow.initialize()
    return workflow


def with_maps(transform: Transform | None, maps: Sequence[Transform]) -> Compose:
    """A training's transforms, with further ones before the first random one: where a data set ends its cache.

    Args:
        transform: The training's own.
        maps: What comes between.

    Example:
        >>> from monai.transforms import Flip, RandFlip
        >>> [type(each).__name__ for each in with_maps(RandFlip(), [Flip()]).transforms]
        ['Flip', 'RandFlip']
    """
    own = Compose(transform).flatten().transforms
    is_random = [isinstance(each, RandomizableTrait) for each in own]
    position = is_random.index(True) if True in is_random else len(own)
    chain = [*own[:position], *maps, *own[position:]]
    if not isinstance(transform, Compose):
        return Compose(chain)
    options = {name: getattr(transform, name) for name in ("map_items", "unpack_items", "lazy", "overrides")}
    return Compose(chain, **options)
