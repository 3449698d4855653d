"""How long the interleaving tests search.

Under CI=true the search is the same at every run (derandomised), so that a red build is red again. With
CHAT_TEST_EXAMPLES=20 it looks at twenty times as many interleavings. A failure prints the steps it shrank to;
they are data: paste them as an @example.
"""

from __future__ import annotations

import os
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

T = TypeVar("T")

FACTOR = int(os.environ.get("CHAT_TEST_EXAMPLES", "1"))
FIXED = os.environ.get("CI") == "true"


def search(examples: int) -> settings:
    """Settings for a search of about this many examples at the usual length."""
    return settings(
        max_examples=examples * FACTOR,
        deadline=None,
        derandomize=FIXED,
        database=None,
        print_blob=False,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    )


def long(steps: st.SearchStrategy[T], most: int) -> st.SearchStrategy[list[T]]:
    """Lists of steps. The short ones are what a failure shrinks to, the long ones are where it is found."""
    return st.lists(steps, max_size=most // 3) | st.lists(steps, min_size=most // 3, max_size=most)
