"""How long the interleaving tests search.

Under CI=true the search is the same at every run (derandomised), so that a red build is red again. With
CHAT_TEST_EXAMPLES=20 there are twenty searches, each from another seed: one that is as long as twenty remembers
all it has tried, and takes gigabytes. A failure prints the steps it shrank to; they are data: paste them as an
@example.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., None])

FACTOR = int(os.environ.get("CHAT_TEST_EXAMPLES", "1"))
FIXED = os.environ.get("CI") == "true"


def search(examples: int) -> Callable[[Test], Test]:
    """Search about this many examples, as often as is asked for."""
    once = settings(
        max_examples=examples,
        deadline=None,
        derandomize=FIXED and FACTOR == 1,
        database=None,
        print_blob=False,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    )
    return once if FACTOR == 1 else lambda test: _often(once(test))


def _often(test: Test) -> Test:
    @functools.wraps(test)
    def often(*args: Any, **named: Any) -> None:
        for _ in range(FACTOR):
            test(*args, **named)

    return cast("Test", often)


def long(steps: st.SearchStrategy[T], most: int) -> st.SearchStrategy[list[T]]:
    """Lists of steps. The short ones are what a failure shrinks to, the long ones are where it is found."""
    return st.lists(steps, max_size=most // 3) | st.lists(steps, min_size=most // 3, max_size=most)
