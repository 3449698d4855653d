"""How long a receiver is waited for."""

from __future__ import annotations

from chat_service.jobs.patience import CIRCUIT_FAILURES, CIRCUIT_MOST_S, Circuit, Patience

PATIENCE = Patience(attempts=15, first_s=5, most_s=3600, max_age_s=86_400)


def test_pauses_double_up_to_the_longest_and_are_jittered() -> None:
    for attempts, longest in ((1, 5), (2, 10), (3, 20), (10, 2560), (11, 3600), (10_000, 3600)):
        pauses = {PATIENCE.pause_s(attempts, None) for _ in range(50)}
        assert longest / 2 <= min(pauses) <= max(pauses) <= longest
        assert len(pauses) > 1


def test_what_the_receiver_asks_for_counts_up_to_the_longest() -> None:
    assert PATIENCE.pause_s(1, 60) == 60
    assert PATIENCE.pause_s(1, 10_000) == 3600
    assert PATIENCE.pause_s(1, 0) >= 2.5


def test_it_ends_after_so_many_attempts_or_so_long() -> None:
    assert not PATIENCE.ends(14, 86_399)
    assert PATIENCE.ends(15, 0)
    assert PATIENCE.ends(1, 86_400)


def test_a_receiver_that_keeps_failing_is_spared_and_then_tried_by_one() -> None:
    circuit = Circuit(PATIENCE)
    for _ in range(CIRCUIT_FAILURES - 1):
        circuit.failed(100)
    assert circuit.wait_s(100) == 0
    circuit.failed(100)
    assert circuit.wait_s(100) == 5
    assert circuit.wait_s(105) == 0
    assert circuit.wait_s(105) > 0  # the others wait for what comes of it
    circuit.failed(106)
    assert circuit.wait_s(106) == 10
    circuit.succeeded()
    assert circuit.wait_s(106) == 0


def test_it_is_spared_for_a_bounded_time() -> None:
    circuit = Circuit(PATIENCE)
    for _ in range(1000):
        circuit.failed(0)
    assert circuit.wait_s(0) == CIRCUIT_MOST_S
