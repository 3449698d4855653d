"""One number, drainSeconds, decides every time of stopping; they fit into each other and the service's rules."""

from __future__ import annotations

import pytest

from chat_service.lifecycle import PATIENCE_MOST_S, Timing
from chat_service.settings import Settings
from rendering import pick, rendered

CLUSTER = ("--set=mode=cluster", "--set=persistence.enabled=false")


@pytest.mark.parametrize("drain", [6, 12, 13, 30, 60, 3600])
def test_the_times_follow_from_one_number(drain: int) -> None:
    those = rendered(*CLUSTER, f"--set=drainSeconds={drain}")
    config = pick(those, "ConfigMap")["data"]
    secrets = {"CHAT_MONGODB_URI_FILE", "CHAT_REDIS_URLS_FILE"}
    settings = Settings.from_environment({name: text for name, text in config.items() if name not in secrets})
    pod = pick(those, "Deployment", "chat-gateway")["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause >= 1
    assert pause + settings.drain_notice_s + settings.drain_close_s == drain
    assert pod["terminationGracePeriodSeconds"] > pause + settings.stop_timeout_s
    # What is in flight when the last transports close has all the patience that the service knows.
    timing = Timing(settings.drain_notice_s, settings.drain_close_s, settings.stop_timeout_s)
    assert timing.patience_s == PATIENCE_MOST_S
    worker = pick(those, "Deployment", "chat-worker")["spec"]["template"]["spec"]
    assert worker["terminationGracePeriodSeconds"] > settings.stop_timeout_s


def test_a_changed_setting_is_an_update_and_a_changed_count_is_none() -> None:
    def pod(*arguments: str) -> object:
        return pick(rendered(*CLUSTER, *arguments), "Deployment", "chat-gateway")["spec"]["template"]

    assert pod() == pod("--set=gateway.replicas=5")
    assert pod() != pod("--set=settings.CHAT_LOG_LEVEL=debug")
