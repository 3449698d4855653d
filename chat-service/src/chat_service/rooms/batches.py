"""Batches: many things a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batched(everything: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces of at most `most`, in order."""
    for start in range(0, len(everything), most):
        yield everything[start : start + most]
