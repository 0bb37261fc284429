"""The training kit: any system, on any corpus, on a CPU, a GPU or many machines, and going on where it was stopped.

A run is a folder: `job.json` (all that it was asked for), `last.ckpt`, `log.jsonl` (losses over steps), `heard/` (sounds and
spectrograms as it goes).  Lightning runs the loop; what a system is stands in `System`.  Chunk n of the data and the random
numbers of step n follow from the seed and n alone, so a run that was stopped ends as one that was not.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from .data import Corpus, DataError

SYSTEMS = {"wavae": "nodes.ml.wavae_kit"}
"""Where each system's `build(job)` is."""
CHECKPOINT, JOB, LOG, HEARD = "last.ckpt", "job.json", "log.jsonl", "heard"
SECONDS = 3.0
"""Of sound that is written as it goes."""
MATERIAL = 64
"""Chunks with which a system measures its material before the first step, and its latents at export."""
Tell = Callable[[str], None]


class TrainError(Exception):
    """A training that cannot be; the text is one sentence."""


@dataclass(frozen=True)
class Job:
    """What a run is asked for.  `changes` are for the system's own configuration, by name."""

    system: str
    data: str  # folder of a corpus
    preset: str = "small"
    sound: str = "speech"  # what kind of sound it is: see the system
    changes: dict[str, float] = field(default_factory=dict)
    steps: int = 1500
    batch: int = 8  # chunks in a step, on each device
    frames: int = 16384  # samples of a chunk
    rate: float = 2e-3  # of learning: the most, after a rise over 5% of the steps and before a fall along a cosine
    gain: float = 10.0  # dB by which a chunk is made louder or softer, at most
    seed: int = 1


class System(Protocol):
    """What the kit needs to know of a system."""

    net: nn.Module  # what is trained, and kept in checkpoints
    sample_rate: int
    unit: int  # samples of which a chunk is a multiple
    starts: tuple[float, ...]  # where in the training, between 0 and 1, another part begins to learn

    def prepare(self, material: Tensor) -> None:
        """Looks at training material [chunks, 1, samples] before the first step."""

    def losses(self, x: Tensor, done: float) -> dict[str, Tensor]:
        """What is to be made small, for [batch, 1, samples]; `done` is how much of the training is over, 0 … 1."""

    def again(self, x: Tensor) -> Tensor:
        """Sound as it comes out of the model, [batch, 1, samples]."""

    def export(self, path: Path, material: Tensor, card: Mapping[str, Any]) -> dict[str, Any]:
        """Writes the model in the nn~ form and returns its whole card."""


@dataclass(frozen=True)
class Means:
    """How a run is done, which changes nothing about its result on one device; `minutes` 0 has no limit."""

    minutes: float = 0.0
    every: int = 200  # steps from checkpoint to checkpoint
    device: str = "auto"  # or cpu, gpu, mps, as Lightning calls them
    devices: int = 1
    nodes: int = 1
    threads: int = 1
    workers: int = 0  # processes that read data
    tensorboard: bool = False


def build(job: Job) -> System:
    """The system of a job, untrained.  Raises TrainError where its configuration cannot be."""
    if job.system not in SYSTEMS:
        raise TrainError(f"there is no system {job.system}; there are {', '.join(SYSTEMS)}")
    torch.manual_seed(job.seed)
    try:
        system: System = import_module(SYSTEMS[job.system]).build(job)
    except (KeyError, TypeError, ValueError) as error:
        raise TrainError(f"{job.system}: {error.args[0] if error.args else error}: is no configuration of it") from None
    if job.frames % system.unit:
        raise TrainError(f"chunks of {job.frames} samples are no multiple of {system.unit}")
    return system


def material(job: Job, system: System, split: str = "train", count: int = MATERIAL) -> Tensor:
    """Chunks [count, 1, frames] of a job's corpus.  Raises DataError."""
    chunks = Corpus(job.data).chunks(split, job.frames, system.sample_rate, job.seed + 1)
    return torch.from_numpy(np.stack([next(chunks)[0][:1] for _ in range(count)]))


class Chunks(torch.utils.data.IterableDataset[Tensor]):
    """The chunks of one device from chunk `first` on, every `step`th; its workers take turns."""

    def __init__(self, job: Job, rate: int, first: int, step: int) -> None:
        self.job, self.rate, self.first, self.step = job, rate, first, step

    def __iter__(self) -> Iterator[Tensor]:
        mine = torch.utils.data.get_worker_info()
        worker, workers = (mine.id, mine.num_workers) if mine else (0, 1)
        job, batch = self.job, self.job.batch
        number = self.first + self.step * worker  # of a batch
        corpus = Corpus(job.data)
        streams = [
            corpus.chunks("train", job.frames, self.rate, job.seed, first=number * batch + i, step=self.step * workers * batch,
                          gain=job.gain, polarity=True)
            for i in range(batch)
        ]  # fmt: skip
        while True:
            yield torch.from_numpy(np.stack([next(stream)[0][:1] for stream in streams]))


class Loop(lightning.LightningModule):
    """A system as Lightning wants it."""

    def __init__(self, job: Job, system: System) -> None:
        super().__init__()
        self.job, self.net, self.spent = job, system.net, 0.0
        self.__dict__["system"] = system  # not a part, for it holds the net

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.Adam(self.net.parameters(), self.job.rate, betas=(0.9, 0.98))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self.pace)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def pace(self, step: int) -> float:
        """The rate of learning at a step, 1 at most: in each stage of the training it rises and falls."""
        done = min(step / max(self.job.steps, 1), 1.0)
        edges = (0.0, *self.system.starts, 1.0)
        low = max(edge for edge in edges[:-1] if edge <= done)
        done = (done - low) / (edges[edges.index(low) + 1] - low)
        return min(done / 0.05 + 0.01, 0.02 + 0.98 * float(np.cos(done * np.pi / 2)) ** 2, 1.0)

    def training_step(self, batch: Tensor, number: int) -> Any:
        step = self.global_step
        torch.manual_seed(int(np.random.SeedSequence([self.job.seed, step, self.global_rank]).generate_state(1)[0]))
        losses = self.system.losses(batch, step / max(self.job.steps, 1))
        return {"loss": torch.stack(list(losses.values())).sum(), **{f"_{k}": v.detach() for k, v in losses.items()}}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        for part in self.net.children():  # one that stumbles does not hold the others
            nn.utils.clip_grad_norm_(part.parameters(), 1.0)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["zrack"] = {"seconds": self.spent}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.spent = float(checkpoint["zrack"]["seconds"])


class Watch(lightning.Callback):
    """Keeps checkpoints, tells how it goes, and lets hear it."""

    def __init__(self, run: Path, means: Means, tell: Tell, sound: Tensor | None) -> None:
        self.run, self.means, self.tell, self.sound = run, means, tell, sound
        self.since: dict[str, list[float]] = {}  # the last report
        self.began, self.said = 0.0, 0.0

    def on_train_start(self, trainer: Any, loop: Any) -> None:
        self.began = self.said = time.monotonic()
        self.first, self.spent = trainer.global_step, loop.spent

    def on_train_batch_end(self, trainer: Any, loop: Any, outputs: Any, batch: Any, number: int) -> None:
        step, job = trainer.global_step, loop.job
        loop.spent = self.spent + time.monotonic() - self.began
        for name, value in outputs.items():
            self.since.setdefault(name, []).append(float(value.detach()))
        if time.monotonic() - self.said > 5.0 or step % self.means.every == 0 or step >= job.steps:
            self.report(step, job.steps, loop)
        if step % self.means.every == 0 or step >= job.steps:
            self.keep(trainer, loop)

    def on_train_end(self, trainer: Any, loop: Any) -> None:
        self.keep(trainer, loop, hear=False)

    def report(self, step: int, steps: int, loop: Any) -> None:
        """A line for people and one for machines: means since the last."""
        means = {k: float(np.mean(v)) for k, v in self.since.items()}
        self.since, self.said = {}, time.monotonic()
        each = (self.said - self.began) / max(step - self.first, 1)
        left = each * (steps - step)
        if self.means.minutes:
            left = min(left, 60.0 * self.means.minutes - (self.said - self.began))
        if loop.global_rank == 0:
            self.tell(f"step {step} of {steps}, loss {means.pop('loss'):.3f}, {each:.2f} s a step, {left / 60:.1f} min left")
            row = {
                "step": step,
                "seconds": round(loop.spent, 1),
                **{k.removeprefix("_"): round(v, 5) for k, v in means.items()},
            }
            with (self.run / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            for logger in loop.loggers:
                logger.log_metrics(means, step)

    def keep(self, trainer: Any, loop: Any, hear: bool = True) -> None:
        """Writes a checkpoint, and what the model makes of a sound."""
        part = self.run / (CHECKPOINT + ".part")
        trainer.save_checkpoint(part)
        if loop.global_rank == 0:
            part.replace(self.run / CHECKPOINT)
            if self.sound is not None and hear:
                heard(self.run / HEARD, trainer.global_step, loop.system, self.sound.to(loop.device))


def heard(folder: Path, step: int, system: System, x: Tensor) -> None:
    """Writes a sound [1, 1, samples] and what comes back, one after the other, and their spectrograms where matplotlib is."""
    import soundfile

    from .pictures import spectrograms

    folder.mkdir(exist_ok=True)
    system.net.eval()
    with torch.no_grad():
        y = system.again(x)
    system.net.train()
    a, b = (s[0, 0].cpu().numpy() for s in (x, y))
    soundfile.write(folder / f"{step:06d}.flac", np.clip(np.concatenate([a, b]), -1, 1), system.sample_rate)
    spectrograms(folder / f"{step:06d}.png", {"in": a, "out": b}, system.sample_rate)


def train(job: Job, run: Path, means: Means | None = None, tell: Tell = lambda _: None) -> float:
    """Trains, or goes on, in the folder `run`; returns the seconds that it took in all.  Raises TrainError, DataError."""
    means = means or Means()
    system = build(job)
    begin(job, run)
    torch.set_num_threads(means.threads)
    there = run / CHECKPOINT
    if there.is_file():
        kept = restore(there)
        fill(system, kept, run)
        done = int(kept["global_step"])
    else:
        done = 0
        torch.manual_seed(job.seed)
        system.prepare(material(job, system))
    loop = Loop(job, system)
    if done >= job.steps:
        return float(kept["zrack"]["seconds"])
    sound = None
    with_sound = [item for item in Corpus(job.data).of("valid") if item.frames]
    if with_sound:
        length = int(SECONDS * system.sample_rate) // system.unit * system.unit
        sound = torch.from_numpy(next(Corpus(job.data).chunks("valid", length, system.sample_rate, job.seed))[0][None, :1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning has advice
        strategy = "auto" if means.devices * means.nodes == 1 else "ddp_find_unused_parameters_true"
        trainer = lightning.Trainer(
            accelerator=means.device, devices=means.devices, num_nodes=means.nodes, max_steps=job.steps,
            max_time={"minutes": 0, "seconds": round(60 * means.minutes)} if means.minutes else None, logger=board(run, means),
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=run,
            use_distributed_sampler=False, strategy=strategy, callbacks=[Watch(run, means, tell, sound)],
        )  # fmt: skip
        first = done * trainer.world_size + trainer.global_rank
        data: Any = torch.utils.data.DataLoader(
            Chunks(job, system.sample_rate, first, trainer.world_size), batch_size=None, num_workers=means.workers
        )
        trainer.fit(loop, data, ckpt_path=there if done else None, weights_only=True)
    return loop.spent


def begin(job: Job, run: Path) -> None:
    """Makes the folder of a run, or sees that it is of the same job; more steps are the same.  Raises TrainError."""
    path = run / JOB
    if path.is_file():
        there = {**read(run), "steps": job.steps}
        other = [f"{k} {there.get(k)}, not {v}" for k, v in asdict(job).items() if there.get(k) != v]
        if other:
            raise TrainError(f"{run}: is a run with {'; '.join(other)}; name another folder")
    elif run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise TrainError(f"{run}: holds something else; name a folder that is new or empty")
    run.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(job), indent=1) + "\n", encoding="utf-8")


def read(run: Path) -> dict[str, Any]:
    """What a run was asked for.  Raises TrainError."""
    try:
        return dict(json.loads((run / JOB).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise TrainError(f"{run}: is no run; `zrack train SYSTEM --data FOLDER -o {run}` makes one") from None


def restore(path: Path) -> dict[str, Any]:
    """A checkpoint: plain data and tensors, nothing that is run.  Raises TrainError."""
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises many kinds
        raise TrainError(f"{path}: cannot be read ({type(error).__name__}), so delete it to train from the beginning") from None


def fill(system: System, kept: Mapping[str, Any], run: Path) -> None:
    """Puts what a checkpoint holds into a system.  Raises TrainError."""
    try:
        system.net.load_state_dict({k.removeprefix("net."): v for k, v in kept["state_dict"].items()})
    except RuntimeError:
        raise TrainError(f"{run}: was begun by another version of zrack, and cannot go on; train anew") from None


def trained(run: Path) -> tuple[Job, System, dict[str, Any]]:
    """The job of a run, its system with what it has learned so far, and {"steps", "seconds"}.  Raises TrainError."""
    job = Job(**read(run))
    if not (run / CHECKPOINT).is_file():
        raise TrainError(f"{run}: has no checkpoint yet")
    kept = restore(run / CHECKPOINT)
    system = build(job)
    fill(system, kept, run)
    system.net.eval()
    return job, system, {"steps": int(kept["global_step"]), "seconds": round(kept["zrack"]["seconds"])}


def board(run: Path, means: Means) -> Any:
    """Lightning's logger.  Raises TrainError where TensorBoard is asked for and missing."""
    if not means.tensorboard:
        return False
    try:
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(run, name="board", version="")
    except ModuleNotFoundError:
        raise TrainError("TensorBoard is not installed; pip install tensorboard") from None


def stderr(text: str) -> None:
    """Tells a person: one line, written over the last on a terminal."""
    sys.stderr.write(f"\r{text}\x1b[K" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()


def check(data: str) -> Corpus:
    """The corpus in a folder, with sound for training and for tests.  Raises DataError."""
    corpus = Corpus(data)
    for split in ("train", "test"):
        if not corpus.of(split):
            raise DataError(f"{data}: has no sound in its split {split}")
    return corpus
