"""Settings: what the environment says is read, checked and shown."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError, fields
from ipaddress import ip_network
from pathlib import Path

import pytest

from chat_service.environment import Problem, SettingsError, show, variables
from chat_service.rate import Rate
from chat_service.secret import Secret
from chat_service.settings import SECTIONS, Settings, new_node_id
from chat_service.settings_table import effective, reference

REFERENCE = Path(__file__).parents[3] / "docs" / "settings.md"
KEY = "a:" + "k" * 43


def problems(**environ: str) -> dict[str, Problem]:
    """Read an environment that is wrong and return what is wrong with it, by variable."""
    with pytest.raises(SettingsError) as error:
        Settings.from_environment(environ)
    return {problem.variable: problem for problem in error.value.problems}


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environment({"PATH": "/bin"})
    assert (settings.host, settings.port, settings.metrics_port) == ("127.0.0.1", 8000, 9464)
    assert settings.token_keys is None
    assert settings.signin_attempts == Rate(count=10, period_s=900, burst=10)


def test_every_default_is_what_the_environment_could_have_said() -> None:
    said = {
        variable.name: show(getattr(Settings(node_id="chat-0"), variable.field))
        for variable in variables(Settings)
    }
    assert Settings.from_environment(said) == Settings(node_id="chat-0")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


def test_each_kind_of_value_is_read() -> None:
    settings = Settings.from_environment(
        {
            "CHAT_PORT": " 9000 ",
            "CHAT_GUESTS": "false",
            "CHAT_DRAIN_NOTICE_S": "0.5",
            "CHAT_LOG_FORMAT": "json",
            "CHAT_DATA_DIR": "~/chat",
            "CHAT_PUBLIC_URL": "https://chat.example.org/talk",
            "CHAT_CORS_ORIGINS": "https://a.example.org, http://localhost:3000,",
            "CHAT_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
            "CHAT_RATE_SEND_PER_USER": "20/10s burst 40",
        }
    )
    assert settings.port == 9000
    assert settings.guests is False
    assert settings.drain_notice_s == 0.5
    assert settings.log_format == "json"
    assert settings.data_dir == Path("~/chat").expanduser()
    assert settings.public_url == "https://chat.example.org/talk"
    assert settings.cors_origins == ("https://a.example.org", "http://localhost:3000")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert settings.rate_send_per_user == Rate(20, 10, 40)


def test_an_empty_variable_counts_as_not_set() -> None:
    settings = Settings.from_environment({"CHAT_PORT": "", "CHAT_TOKEN_KEYS": " "})
    assert (settings.port, settings.token_keys) == (8000, None)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("CHAT_PORT", "eighty", "a whole number from 1 to 65535"),
        ("CHAT_PORT", "65536", "a whole number from 1 to 65535"),
        ("CHAT_PORT", "1.5", "a whole number from 1 to 65535"),
        ("CHAT_DRAIN_CLOSE_S", "nan", "a number of seconds from 0 to 3600"),
        ("CHAT_PING_INTERVAL_MS", "5", "a whole number of milliseconds from 100 to 600000"),
        ("CHAT_GUESTS", "maybe", "true or false"),
        ("CHAT_REGISTRATION", "all", "one of open, invite, closed"),
        ("CHAT_RATE_SEND_PER_USER", "50/fortnight", "a rate such as 50/s, 10/15m or 50/s burst 100"),
        ("CHAT_PUBLIC_URL", "chat.example.org", "a value such as https://chat.example.org"),
        (
            "CHAT_CORS_ORIGINS",
            "*,nowhere",
            "a value such as * or https://chat.example.org,https://example.org",
        ),
        ("CHAT_TRUSTED_PROXIES", "10.0.0.1/8", "a value such as 10.0.0.0/8,fd00::/8"),
        ("CHAT_NODE_ID", "Not A Name", "a value such as chat-0"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(name: str, text: str, expected: str) -> None:
    assert problems(**{name: text}) == {name: Problem(name, expected, text)}


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = problems(CHAT_PORT="x", CHAT_GUESTS="x", CHAT_PROT="1", CHAT_DRAIN_NOTICE_S="40")
    assert list(found) == [
        "CHAT_PROT",
        "CHAT_PORT",
        "CHAT_GUESTS",
        "CHAT_DRAIN_NOTICE_S, CHAT_DRAIN_CLOSE_S, CHAT_STOP_TIMEOUT_S",
    ]


def test_a_contradiction_is_not_looked_for_in_values_that_are_wrong_themselves() -> None:
    assert list(problems(CHAT_DRAIN_NOTICE_S="lots", CHAT_DRAIN_CLOSE_S="40")) == ["CHAT_DRAIN_NOTICE_S"]


@pytest.mark.parametrize(
    "environ",
    [
        {"CHAT_SEND_BUFFER_LOW_BYTES": "300000"},
        {"CHAT_SEND_BUFFER_MAX_BYTES": "200000"},
        {"CHAT_STOP_TIMEOUT_S": "15"},
        {"CHAT_MAX_MESSAGE_CHARS": "20000"},
        {"CHAT_MAX_FRAME_BYTES": "5000000"},
        {"CHAT_METRICS_PORT": "8000"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(environ: dict[str, str]) -> None:
    (problem,) = problems(**environ).values()
    assert next(iter(environ)) in problem.variable


def test_an_unknown_variable_is_refused_with_the_nearest_name_and_without_its_value() -> None:
    text = str(problems(CHAT_TOKEN_KEY="s3cret")["CHAT_TOKEN_KEY"])
    assert "did you mean CHAT_TOKEN_KEYS?" in text
    assert "s3cret" not in text
    assert "chat-service config" in str(problems(CHAT_ZZZZZZ="1")["CHAT_ZZZZZZ"])


def test_variables_that_kubernetes_made_for_a_service_are_explained() -> None:
    found = problems(
        CHAT_PORT="tcp://10.0.0.7:8000", CHAT_SERVICE_HOST="10.0.0.7", CHAT_PORT_8000_TCP_ADDR="10.0.0.7"
    )
    assert all("enableServiceLinks" in str(problem) for problem in found.values())
    assert len(found) == 3


class TestSecrets:
    """Secrets come as text or as a file, and are never shown."""

    def test_text(self) -> None:
        settings = Settings.from_environment({"CHAT_TOKEN_KEYS": KEY})
        assert settings.token_keys is not None
        assert settings.token_keys.current() == KEY
        assert KEY not in repr(settings)
        assert "CHAT_TOKEN_KEYS=********\n" in effective(settings)

    def test_a_file_is_read_again_when_it_changes(self, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        file.write_text(KEY + "\n")
        keys = Settings.from_environment({"CHAT_TOKEN_KEYS_FILE": str(file)}).token_keys
        assert keys is not None
        assert keys.current() == KEY
        file.write_text("b:" + "k" * 44)
        assert keys.current() == "b:" + "k" * 44
        assert show(keys) == f"******** (from {file})"
        assert "kkk" not in repr(keys)

    def test_a_replaced_file_of_the_same_size_and_time_is_seen(self, tmp_path: Path) -> None:
        """Kubernetes swaps a symbolic link: the new file may well have the size and time of the old one."""
        for name in "ab":
            (tmp_path / name).write_text(name)
            os.utime(tmp_path / name, (1, 1))
        link = tmp_path / "link"
        link.symlink_to("a")
        secret = Secret.in_file(link)
        link.unlink()
        link.symlink_to("b")
        assert secret.current() == "b"

    def test_a_file_that_is_gone_for_a_moment_keeps_the_last_text(self, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        file.write_text("one")
        secret = Secret.in_file(file)
        file.unlink()
        assert secret.current() == "one"
        file.write_text("")
        assert secret.current() == "one"
        file.write_text("two")
        assert secret.current() == "two"

    def test_wrong_secrets_are_refused_without_showing_them(self, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        file.write_text("kid:tooshort")
        for environ in ({"CHAT_TOKEN_KEYS": "kid:tooshort"}, {"CHAT_TOKEN_KEYS_FILE": str(file)}):
            (problem,) = problems(**environ).values()
            assert "tooshort" not in str(problem)
            assert "32 bytes" in str(problem)

    def test_a_file_that_cannot_be_read_or_is_empty_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        for name in ("absent", "empty"):
            (problem,) = problems(CHAT_TOKEN_KEYS_FILE=str(tmp_path / name)).values()
            assert problem.expected == "a readable file that holds the secret"

    def test_text_and_file_together_are_refused(self) -> None:
        (problem,) = problems(CHAT_TOKEN_KEYS=KEY, CHAT_TOKEN_KEYS_FILE="/x").values()
        assert problem.expected == "one of the two to be set, got both"


@pytest.mark.parametrize("text", ["50/s", "10/15m", "50/s burst 100", "1/d", "3/2h burst 9", "7/90s"])
def test_a_rate_is_written_as_it_is_read(text: str) -> None:
    assert str(Rate.parse(text)) == text


def test_a_rate_in_other_words_is_the_same_rate() -> None:
    assert Rate.parse(" 10 / 60s ") == Rate.parse("10/m")
    assert Rate.parse("10/20s").per_second == 0.5


@pytest.mark.parametrize("text", ["", "0/s", "5/0s", "5/w", "-1/s", "5/s burst 0", "5"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a rate"):
        Rate.parse(text)


def test_every_process_has_a_name_of_its_own() -> None:
    assert new_node_id() != new_node_id()
    assert Settings.from_environment({"CHAT_NODE_ID": new_node_id()})


def test_every_section_begins_with_a_setting_that_exists() -> None:
    assert set(SECTIONS) <= {field.name for field in fields(Settings)}


def test_the_reference_is_current() -> None:
    assert REFERENCE.read_text() == reference(), "run `make docs`"
