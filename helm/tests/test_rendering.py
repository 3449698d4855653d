"""Every environment on every cloud in both modes renders to objects that the real APIs and the service take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api_schemas import problems_of
from chat_service.settings import Settings
from cross_checks import problems_between
from rendering import CHART, COMBINATIONS, EVERYTHING, KUBERNETES, Combination, helm, name_of, of, pick, rendered

if TYPE_CHECKING:
    from pathlib import Path

    from rendering import Object

ALL = (Combination(), *COMBINATIONS)


@pytest.mark.parametrize("overlays", ALL, ids=lambda one: str(one) or "defaults")
def test_helm_finds_nothing_to_say(overlays: Combination) -> None:
    helm("lint", "--strict", "--quiet", str(CHART), f"--kube-version={KUBERNETES}", *overlays.arguments)


@pytest.mark.parametrize("combination", ALL, ids=lambda one: str(one) or "defaults")
@pytest.mark.usefixtures("schemas")
def test_the_apis_take_what_is_rendered(combination: Combination) -> None:
    assert not found(of(combination))


@pytest.mark.parametrize("mode", ["embedded", "cluster"])
@pytest.mark.usefixtures("schemas")
def test_the_apis_take_every_option_at_once(mode: str) -> None:
    assert not found(rendered(f"--set=mode={mode}", values=EVERYTHING))


@pytest.mark.usefixtures("schemas")
def test_the_apis_take_a_plain_autoscaler() -> None:
    those = rendered("--set=mode=cluster,autoscaling.by=hpa,persistence.enabled=false")
    assert not found(those)
    assert {one["metadata"]["name"] for one in those if one["kind"] == "HorizontalPodAutoscaler"} == {
        "chat-gateway",
        "chat-worker",
    }


@pytest.mark.parametrize("combination", ALL, ids=lambda one: str(one) or "defaults")
def test_objects_fit_together(combination: Combination) -> None:
    assert not problems_between(of(combination))


@pytest.mark.parametrize("mode", ["embedded", "cluster"])
def test_objects_fit_together_with_every_option(mode: str) -> None:
    assert not problems_between(rendered(f"--set=mode={mode}", values=EVERYTHING))


@pytest.mark.parametrize("combination", ALL, ids=lambda one: str(one) or "defaults")
def test_the_service_takes_its_settings(combination: Combination, tmp_path: Path) -> None:
    environment = pick(of(combination), "ConfigMap")["data"]
    secrets = {"CHAT_MONGODB_URI_FILE": "mongodb://host/chat", "CHAT_REDIS_URLS_FILE": "redis://host:6379"}
    for name, text in secrets.items():
        if name in environment:
            file = tmp_path / name
            file.write_text(text)
            environment = {**environment, name: str(file)}
    settings = Settings.from_environment(environment)
    assert (settings.mongodb_uri is None) is not any(one["kind"] == "Job" for one in of(combination))


def found(those: list[Object] | tuple[Object, ...]) -> list[str]:
    """Everything that the schemas say against objects."""
    return [f"{name_of(one)} {problem}" for one in those for problem in problems_of(one)]
