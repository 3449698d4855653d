"""The values: one that is unknown, misspelt or wrong is refused, and what is made from them is current."""

from __future__ import annotations

import re

import pytest

import reference
from chat_service.environment import SettingsError, variables
from chat_service.settings import Settings
from rendering import Refused, notes, rendered

SETTINGS = list(reference.schema()["properties"]["settings"]["properties"])


def test_what_is_made_from_the_values_is_current() -> None:
    for file, text in reference.made().items():
        assert file.read_text() == text, f"`make docs` writes {file.name} anew; commit what it changed"


def test_the_schema_is_closed_everywhere() -> None:
    def objects(schema: object) -> list[dict[str, object]]:
        if not isinstance(schema, dict):
            return []
        inner = [one for value in schema.values() for one in objects(value)]
        return [schema, *inner] if schema.get("type") == "object" and "properties" in schema else inner

    assert all(one["additionalProperties"] is False for one in objects(reference.schema()))


def test_every_setting_is_a_value_or_made_by_the_chart() -> None:
    by_the_chart = {*reference.OF_THE_CHART}
    secrets = {one.name for one in variables(Settings) if one.secret}
    values = {*SETTINGS}
    assert values | by_the_chart | secrets == {one.name for one in variables(Settings)}
    assert not values & (by_the_chart | secrets)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("gatway: {replicas: 2}", "'gatway' not allowed"),
        ("gateway: {replica: 2}", "'replica' not allowed"),
        ("gateway: {replicas: '2'}", "at '/gateway/replicas'"),
        ("gateway: {resources: {limits: {memry: 1Gi}}}", "'memry' not allowed"),
        ("mode: clustr", "at '/mode'"),
        ("image: {tag: latest}", "at '/image/tag'"),
        ("image: {digest: 'sha256:12'}", "at '/image/digest'"),
        ("drainSeconds: 5", "at '/drainSeconds'"),
        ("settings: {CHAT_LOG_LEVL: info}", "'CHAT_LOG_LEVL' not allowed"),
        ("settings: {CHAT_LOG_LEVEL: loud}", "at '/settings/CHAT_LOG_LEVEL'"),
        ("settings: {CHAT_PORT: 9000}", "'CHAT_PORT' not allowed"),
        ("settings: {CHAT_MONGODB_URI: 'mongodb://u:p@h/chat'}", "'CHAT_MONGODB_URI' not allowed"),
        ("settings: {CHAT_RATE_SEND_PER_USER: 50}", "at '/settings/CHAT_RATE_SEND_PER_USER'"),
        ("{mode: cluster}", "where uploaded files live"),
        ("httpRoute: {enabled: true}", "need hosts"),
        ("serviceAccount: {identity: me}", "needs cloud"),
        ("autoscaling: {gateway: {min: 9, max: 3}}", "autoscaling.gateway.min is larger"),
        (
            "{mode: cluster, persistence: {enabled: false}, externalSecrets: {enabled: true},"
            " redis: {existingSecret: r}}",
            "leave the existingSecret",
        ),
    ],
)
def test_a_wrong_value_is_refused_and_named(given: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        rendered(values=given)
    assert said in str(refused.value)


def written(name: str, text: str) -> str:
    """One setting as people write it: numbers and truth values bare, all else quoted."""
    bare = re.fullmatch(r"[0-9.]+|true|false", text)
    return f"{name}: {text if bare else repr(text)}"


def test_the_schema_takes_the_defaults_that_the_service_has() -> None:
    defaults = {one.name: one.default for one in variables(Settings) if one.name in SETTINGS and one.default}
    lines = "".join(f"  {written(name, text)}\n" for name, text in defaults.items())
    (config,) = rendered("--show-only=templates/configmap.yaml", values=f"settings:\n{lines}")
    assert config["data"].items() >= defaults.items()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CHAT_RATE_SEND_PER_USER", "50/s burst 100"),
        ("CHAT_RATE_SEND_PER_USER", "50 / 15m"),
        ("CHAT_RATE_SEND_PER_USER", "50"),
        ("CHAT_RATE_SEND_PER_USER", "0/s"),
        ("CHAT_CORS_ORIGINS", "https://a.example.org,https://b.example.org"),
        ("CHAT_CORS_ORIGINS", "a.example.org"),
        ("CHAT_FILES_URL", "s3://bucket/chat"),
        ("CHAT_FILES_URL", "ftp://bucket"),
        ("CHAT_RETENTION_DAYS", "36500"),
        ("CHAT_RETENTION_DAYS", "36501"),
        ("CHAT_REFRESH_TOKEN_TTL_S", "34560000"),
        ("CHAT_SEND_TIMEOUT_S", "0.05"),
        ("CHAT_GUESTS", "false"),
        ("CHAT_PUBLIC_URL", "https://chat.example.org/"),
        ("CHAT_PUBLIC_URL", "chat.example.org"),
    ],
)
def test_the_chart_takes_what_the_service_takes(name: str, text: str) -> None:
    try:
        Settings.from_environment({name: text})
    except SettingsError:
        with pytest.raises(Refused):
            rendered(values=f"settings: {{{written(name, text)}}}")
    else:
        (config,) = rendered("--show-only=templates/configmap.yaml", values=f"settings: {{{written(name, text)}}}")
        assert config["data"][name] == text


def test_notes_say_what_is_next() -> None:
    alone = notes()
    assert "helm --namespace chat test chat" in alone
    assert "statefulset/chat -- chat-service admin create-user" in alone
    assert "Attention" not in alone
    through = notes(
        values="{mode: cluster, persistence: {enabled: false}, ingress: {enabled: true}, hosts: [a.example.org]}"
    )
    assert "Open https://a.example.org" in through
    assert "CHAT_TRUSTED_PROXIES is not set" in through
    assert "deployment/chat-gateway" in through
    assert "uploaded files are kept in the pod" in through
    assert "rollout/" not in through
