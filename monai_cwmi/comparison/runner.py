"""Losses trained under equal conditions: the same first weights, batches and augmentation for all of them."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from monai_cwmi.benchmark.machine import environment
from monai_cwmi.comparison.bundle_config import find_bundle, find_loss, read_bundle, read_sections
from monai_cwmi.comparison.catalogue import load_contestants, loss_config
from monai_cwmi.comparison.cell_files import LOG, Cell, cell_folder, partial_folder
from monai_cwmi.comparison.folds import split_sections
from monai_cwmi.comparison.plan import Plan, assemble, keep_plan
from monai_cwmi.comparison.report import write_report

_LINES_SHOWN = 3


class Comparison(NamedTuple):
    """The outcome of a comparison.

    Attributes:
        out: Its folder.
        written: Tables, figures and the report.
        failures: The last lines of the logs of trainings that failed, by cell.
    """

    out: Path
    written: list[Path]
    failures: dict[Cell, str]


def compare_losses(
    bundle: str | os.PathLike[str],
    losses: Sequence[str],
    out: str | os.PathLike[str],
    *,
    seeds: Sequence[int] = range(5),
    folds: int = 1,
    config_files: Sequence[str | os.PathLike[str]] = (),
    overrides: Mapping[str, Any] | None = None,
    baseline: str | None = None,
    foreground: int = 1,
    component_value: int = 0,
    workers: int | None = None,
) -> Comparison:
    """Train a bundle with several losses and compare the models.

    Each loss is trained for each seed and fold, in a process of its own. For one seed and fold, all losses begin with
    the same weights and see the same batches with the same augmentation, and the epoch with the best validation is
    kept. A call that was interrupted can be repeated: trainings that are complete are not done again.

    Args:
        bundle: Folder of a MONAI bundle, of this package or another. Its training must name its parts as MONAI's
            bundles do: ``loss``, ``train#trainer``, ``train#dataset#data``, ``validate#dataset#data`` and
            ``validate#evaluator``, after whose postprocessing ``pred`` and ``label`` are classes.
        losses: Names in the catalogue ``losses.yaml``, or files of that form.
        out: Folder for all that is written.
        seeds: Of weights, batches and augmentation.
        folds: Number of folds of a cross-validation over all labelled images; with 1 the data set's own sections.
        config_files: Files of the bundle's training, in place of its ``configs/train.json``.
        overrides: Entries of the bundle's configuration, in place of its own.
        baseline: The loss that the others are compared with (default: ``"CWMI"`` if it is among them, else the first).
        foreground: The class that metrics of shape and topology are about.
        component_value: 1 to count the foreground's components, 0 for those between, as the paper does.
        workers: Trainings side by side (default: one for each GPU, or one for every four cores).

    Returns:
        Where it is, what was written, and what failed.

    Raises:
        FileNotFoundError: When the bundle or a file of it does not exist.
        ValueError: When a loss is unknown, an option is out of its range, the bundle lacks what is needed, or the
            folder holds another comparison.
        RuntimeError: When a loss cannot be made, or another process is at work in the folder.

    Example::

        compare_losses("bundles/neurite_em_segmentation", ["DiceCE", "CWMI"], "comparison", seeds=range(5))
    """
    source = find_bundle(bundle, config_files, overrides or {})
    contestants = load_contestants(losses)
    baseline = baseline or ("CWMI" if "CWMI" in contestants else next(iter(contestants)))
    if baseline not in contestants:
        raise ValueError(f"The baseline {baseline!r} is not among the losses {', '.join(contestants)}.")
    if component_value not in (0, 1):
        raise ValueError(f"component_value must be 0 or 1, got {component_value}.")
    if not seeds:
        raise ValueError("There must be at least one seed.")
    if foreground < 0:
        raise ValueError(f"foreground must be the index of a class, got {foreground}.")
    gpus = torch.cuda.device_count()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = workers or gpus or max(1, cores // 4)

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            parser = read_bundle(source, {})
            loss_id = find_loss(parser)
            bundle_loss = parser[loss_id]
            configs = {name: loss_config(each, bundle_loss, foreground) for name, each in contestants.items()}
            for config in configs.values():  # each fails here, if it must, and not after hours
                parser[loss_id] = config
                parser.parse(reset=True)
                parser.get_parsed_content(loss_id)
            plan = Plan(
                bundle=source,
                losses=contestants,
                configs=configs,
                loss_id=loss_id,
                sections=split_sections(read_sections(source), folds),
                seeds=sorted({int(seed) for seed in seeds}),
                baseline=baseline,
                foreground=foreground,
                component_value=component_value,
                threads=max(1, cores // workers),
            )
            whole = keep_plan(folder, plan, environment("cuda" if gpus else "cpu"))
            failures = _run_cells(folder, plan, workers, gpus)
            assemble(folder, whole)
            return Comparison(folder, write_report(folder), failures)
    except Timeout as error:
        raise RuntimeError(f"Another comparison is at work in {folder}.") from error


def _run_cells(out: Path, plan: Plan, workers: int, gpus: int) -> dict[Cell, str]:
    cells = list(plan.cells())
    todo = [cell for cell in cells if not cell_folder(out, cell).is_dir()]
    devices: queue.Queue[str | None] = queue.Queue()
    for worker in range(workers):
        devices.put(_visible_gpu(worker % gpus) if gpus else None)
    failures: dict[Cell, str] = {}
    running: set[subprocess.Popen[bytes]] = set()
    stopped = threading.Event()

    def work(cell: Cell) -> None:
        if stopped.is_set():
            return
        device = devices.get()
        try:
            failure = _run_cell(out, plan, cell, device, running, stopped)
        finally:
            devices.put(device)
        if failure and not stopped.is_set():
            failures[cell] = failure

    progress = tqdm(total=len(cells), initial=len(cells) - len(todo), desc="trainings", unit="cell")
    with progress, ThreadPoolExecutor(workers) as pool:
        try:
            for done in as_completed([pool.submit(work, cell) for cell in todo]):
                done.result()
                progress.set_postfix(failed=len(failures), refresh=False)
                progress.update()
        except BaseException:
            stopped.set()
            for process in list(running):
                process.terminate()
            raise
    return failures


def _run_cell(
    out: Path,
    plan: Plan,
    cell: Cell,
    device: str | None,
    running: set[subprocess.Popen[bytes]],
    stopped: threading.Event,
) -> str | None:
    """Train in a process of its own. Returns the last lines of its log if it fails."""
    partial = partial_folder(out, cell)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    plan.training(cell).write(partial)
    variables = os.environ | {"OMP_NUM_THREADS": str(plan.threads)}
    if device is not None:
        variables["CUDA_VISIBLE_DEVICES"] = device
    command = [sys.executable, "-m", "monai_cwmi.comparison", str(partial)]
    with (
        (partial / LOG).open("wb") as log,
        # The pipe ends with this process, however that ends, and with the pipe the cell: see __main__.py.
        subprocess.Popen(
            command, env=variables, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        running.add(process)
        if stopped.is_set():  # since work began, and not seen there
            process.terminate()
        status = process.wait()
        running.discard(process)
    if status:
        lines = (partial / LOG).read_text(errors="replace").strip().splitlines()
        return "\n".join([*lines[-_LINES_SHOWN:], f"(exit status {status}; see {partial / LOG})"])
    partial.rename(cell_folder(out, cell))  # whole, or not there
    return None


def _visible_gpu(index: int) -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name for name in visible.split(",") if name]
    return names[index] if names else str(index)
