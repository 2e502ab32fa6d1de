"""Training by several processes, one GPU each, that `torchrun` starts; alone a process is the first of one."""

import os
from datetime import timedelta

import torch
from torch import distributed

LONGEST_VALIDATION = timedelta(hours=6)
"""The other processes wait for the first one meanwhile."""


def ranks() -> tuple[int, int]:
    """Number of the process, and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def agreed(over: bool) -> bool:  # noqa: FBT001 (the thing agreed on)
    """What the first process says; clocks differ."""
    if ranks()[1] == 1:
        return over
    said = torch.tensor([int(over)], device="cuda" if distributed.get_backend() == "nccl" else "cpu")
    distributed.broadcast(said, src=0)
    return bool(said.item())


def join_processes(device: str) -> str:
    """Under `torchrun` joins the other processes; the device of this one."""
    if "LOCAL_RANK" not in os.environ:
        return device
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=LONGEST_VALIDATION)
    return device


def leave_processes() -> None:
    """Ends what `join_processes` began."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def first_process() -> bool:
    """Whether this process is the one that writes."""
    return ranks()[0] == 0
