"""A bundle as others write them: YAML, one sigmoid channel, Python of its own, checkpoints below its own folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

TRAIN = """
imports:
- $from scripts.names import cases
bundle_root: .
dataset_dir: {data}
device: cpu
output_dir: $@bundle_root + '/written'
network_def:
  _target_: UNet
  spatial_dims: 2
  in_channels: 1
  out_channels: 1
  channels: [4, 8]
  strides: [2]
  dropout: 0.2
loss:
  _target_: DiceLoss
  sigmoid: true
  smooth_nr: 0.1
saver:
  _target_: CheckpointSaver
  save_dir: '@output_dir'
  save_dict: {{model: '@network_def'}}
  save_final: true
load:
- _target_: LoadImaged
  keys: [image, label]
  reader: PILReader
  ensure_channel_first: true
- _target_: ScaleIntensityd
  keys: [image, label]
train:
  dataset:
    _target_: CacheDataset
    progress: false
    data: $cases(@dataset_dir, 'train')
    transform:
      _target_: Compose
      transforms:
      - $monai.transforms.Compose(@load)
      - _target_: RandFlipd
        keys: [image, label]
        prob: 0.5
  dataloader: {{_target_: DataLoader, dataset: '@train#dataset', batch_size: 2, shuffle: true, num_workers: 1}}
  inferer: {{_target_: SimpleInferer}}
  handlers:
  - {{_target_: ValidationHandler, validator: '@validate#evaluator', interval: 1, epoch_level: true}}
  - '@saver'
  trainer:
    _target_: SupervisedTrainer
    max_epochs: 2
    device: '@device'
    train_data_loader: '@train#dataloader'
    network: '@network_def'
    loss_function: '@loss'
    optimizer: {{_target_: torch.optim.Adam, params: '$@network_def.parameters()', lr: 0.01}}
    inferer: '@train#inferer'
    train_handlers: '@train#handlers'
validate:
  dataset:
    _target_: Dataset
    data: $cases(@dataset_dir, 'val')
    transform: $monai.transforms.Compose(@load)
  dataloader: {{_target_: DataLoader, dataset: '@validate#dataset', batch_size: 2}}
  postprocessing:
    _target_: Compose
    transforms:
    - {{_target_: Activationsd, keys: pred, sigmoid: true}}
    - {{_target_: AsDiscreted, keys: pred, threshold: 0.5}}
  key_metric:
    dice:
      _target_: MeanDice
      include_background: true
      output_transform: $monai.handlers.from_engine(['pred', 'label'])
  evaluator:
    _target_: SupervisedEvaluator
    device: '@device'
    val_data_loader: '@validate#dataloader'
    network: '@network_def'
    postprocessing: '@validate#postprocessing'
    key_val_metric: '@validate#key_metric'
initialize:
- $monai.utils.set_determinism(seed=3)
run:
- $@train#trainer.run()
"""
EVALUATE = """
validate#dataset#data: $cases(@dataset_dir, 'test')
"""
NAMES = """
from pathlib import Path


def cases(folder, part):
    paths = sorted(Path(folder).glob(f"{part}*_image.png"))
    return [{"image": path, "label": path.with_name(path.name.replace("image", "label"))} for path in paths]
"""


def write_bundle(folder: Path) -> Path:
    """Write the bundle and its data."""
    data = folder / "data"
    data.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in ("train_0", "train_1", "train_2", "train_3", "val_0", "test_0", "test_1"):
        rows, columns = np.mgrid[:32, :32]
        distance = np.hypot(*(axis - generator.uniform(10, 22) for axis in (rows, columns)))
        label = np.abs(distance - 7) < 2
        image = 100 * label + generator.normal(80, 20, label.shape)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(data / f"{name}_image.png")
        Image.fromarray((255 * label).astype(np.uint8)).save(data / f"{name}_label.png")
    root = folder / "ring bundle"
    for path, text in {
        "configs/train.yaml": TRAIN.format(data=data),
        "configs/evaluate.yaml": EVALUATE,
        "scripts/__init__.py": "",
        "scripts/names.py": NAMES,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root
