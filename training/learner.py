"""What learns: the network, its optimiser, its schedule and its averaged weights, as one state that can be saved."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.architectures import build_network
from training.execution import Execution
from training.graphed import Graphed, adjustable
from training.muon import MuonAndAdamW
from training.optimizers import OPTIMIZERS
from training.recipe import Recipe
from training.schedules import SCHEDULES
from training.seeds import derive
from training.teacher import with_teacher


class Learner:
    """`step` learns from one batch; `network_to_score` is what is scored and kept: the average, where there is one."""

    def __init__(
        self, recipe: Recipe, execution: Execution, *, seed: int, steps: int, sample: Callable[[], Tensor] | None = None
    ) -> None:
        """`steps` counts all steps of the run, for the schedule. `sample` makes training images (N, C, H, W) as
        the network sees them, for one that begins by looking at some."""
        torch.manual_seed(derive(seed, "init"))
        self.network = execution.place(build_network(recipe))
        if sample is not None and getattr(self.network, "whitened", False):
            self.network.whiten(sample())  # type: ignore[operator]
        self._forward = torch.compile(self.network) if execution.compiled else self.network
        self.average = copy.deepcopy(self.network).requires_grad_(False) if recipe.ema else None
        self.optimizer = OPTIMIZERS[recipe.optimizer](self.network.parameters(), recipe, execution.fused)
        self.schedule = SCHEDULES[recipe.schedule](**recipe.schedule_options)
        self.steps_done = 0
        self._steps = steps
        self._recipe = recipe
        self._execution = execution
        self._learn_from = Graphed(self._update) if execution.graphed else self._update
        self._ready_optimizer()

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._recipe.lr * self.schedule.factor(self.steps_done / self._steps)

    @property
    def network_to_score(self) -> nn.Module:
        """The averaged network if the recipe averages, else the network itself."""
        return self.average if self.average is not None else self.network

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Train mode, and dropout's random numbers as a function of (seed, epoch), whatever was drawn before."""
        torch.manual_seed(derive(seed, "dropout", epoch))
        self.network.train()

    def step(self, images: Tensor, labels: Tensor, taught: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Learn from normalised images (B, C, H, W); returns, without waiting for the device, the summed loss and
        the number of right answers, both 0-d. `taught` are a teacher's logits (B, classes) for the images."""
        for group in self.optimizer.param_groups:
            lr = self.lr * group.get("scale", 1.0)
            if self._execution.graphed:
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr
        loss, correct = self._learn_from(images, labels, taught)
        self.steps_done += 1
        self._follow()
        return loss, correct

    def _update(self, images: Tensor, labels: Tensor, taught: Tensor | None) -> tuple[Tensor, Tensor]:
        """Everything of a step that can be recorded: it depends on tensors alone."""
        if self._execution.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        with self._execution.computing():
            logits: Tensor = self._forward(images)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=self._recipe.label_smoothing)
        if taught is not None:
            loss = with_teacher(loss, logits.float(), taught, **self._recipe.distillation)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach() * len(labels), (logits.detach().argmax(dim=1) == labels).sum()

    def state_dict(self) -> dict[str, Any]:
        """Everything the next epoch depends on, besides the seed."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "schedule": dict(self.schedule.state),
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._ready_optimizer()
        self.schedule.state = dict(state["schedule"])
        self.steps_done = state["steps_done"]

    def weights(self) -> dict[str, Tensor]:
        """The state to score, serve and publish: contiguous tensors on the CPU."""
        return {
            name: value.detach().to("cpu", memory_format=torch.contiguous_format, copy=True)
            for name, value in self.network_to_score.state_dict().items()
        }

    def _ready_optimizer(self) -> None:
        """As the execution wants it; a saved state may be of another one."""
        if self._execution.graphed:
            for each in self.optimizer.parts if isinstance(self.optimizer, MuonAndAdamW) else [self.optimizer]:
                adjustable(each, self._execution.torch_device)
            return
        for group in self.optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = False

    def _follow(self) -> None:
        """Move the average a little towards the network; faster in the first steps, when it still holds noise."""
        if self.average is None:
            return
        decay = min(self._recipe.ema, self.steps_done / (self.steps_done + 10))
        with torch.no_grad():
            for mean, value in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)
