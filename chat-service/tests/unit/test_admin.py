"""What an operator does with `chat-service admin`."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chat_service.cli import main
from chat_service.command import Exit
from chat_service.demo import CHANNELS, PEOPLE

Run = Callable[..., int]


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `chat-service admin …` on a store of its own; a password is given on standard input."""
    monkeypatch.setenv("CHAT_DATA_DIR", str(tmp_path))

    def run(*arguments: str, password: str = "correct horse battery") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
        return main(["admin", *arguments])

    return run


def database(folder: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(folder / "chat.db"))


def test_the_first_administrator_is_made_from_a_shell(
    admin: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert admin("create-user", "Root", "--admin", "--name", "The Root") == Exit.DONE
    assert "an administrator" in capsys.readouterr().out
    with database(tmp_path) as db:
        assert db.execute("SELECT handle, name, admin FROM users").fetchall() == [("root", "The Root", 1)]


def test_a_username_that_is_taken_is_refused_in_one_line(admin: Run, capsys: pytest.CaptureFixture[str]) -> None:
    admin("create-user", "ada")
    assert admin("create-user", "ada") == Exit.FAILED
    message = capsys.readouterr().err
    assert message.startswith("chat-service: The username 'ada' is taken")
    assert message.count("\n") == 1


def test_a_password_can_come_from_a_file_and_is_never_shown(
    admin: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "password"
    secret.write_text("a password of its own\n")
    assert admin("create-user", "ada", "--password-file", str(secret)) == Exit.DONE
    shown = capsys.readouterr()
    assert "a password of its own" not in shown.out + shown.err


def test_a_weak_password_is_refused(admin: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert admin("create-user", "ada", password="short") == Exit.FAILED
    assert "chat-service:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("reset-password", "ada"), "a new password"),
        (("set-admin", "ada"), "now an administrator"),
        (("set-admin", "ada", "--revoke"), "no longer an administrator"),
        (("deactivate", "ada"), "locked out"),
        (("activate", "ada"), "let in again"),
        (("erase", "ada"), "redacted, in 0 rooms"),
    ],
)
def test_people_are_administrated_by_their_username(
    admin: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    admin("create-user", "ada")
    assert admin(*arguments) == Exit.DONE
    assert said in capsys.readouterr().out


def test_nobody_of_that_name_is_said_plainly(admin: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert admin("deactivate", "nobody-here") == Exit.FAILED
    assert "There is nobody called 'nobody-here'." in capsys.readouterr().err


def test_demo_data_is_made_once_however_often_it_is_asked_for(admin: Run, tmp_path: Path) -> None:
    assert admin("demo") == Exit.DONE
    with database(tmp_path) as db:
        before = db.execute("SELECT count(*) FROM entries").fetchone()
    assert admin("demo") == Exit.DONE
    with database(tmp_path) as db:
        assert db.execute("SELECT count(*) FROM entries").fetchone() == before
        assert db.execute("SELECT count(*) FROM users").fetchone() == (len(PEOPLE),)
        assert db.execute("SELECT count(*) FROM rooms WHERE kind = 'channel'").fetchone() == (len(CHANNELS),)


def test_demo_accounts_are_not_made_where_the_network_reaches_them(
    admin: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAT_HOST", "0.0.0.0")
    assert admin("demo") == Exit.FAILED
    assert "known passwords" in capsys.readouterr().err


def test_erasing_somebody_takes_their_words_out_of_the_file(admin: Run, tmp_path: Path) -> None:
    admin("demo")
    assert admin("erase", "grace") == Exit.DONE
    with database(tmp_path) as db:
        (grace,) = db.execute("SELECT id FROM users WHERE handle = 'grace'").fetchone()
        bodies = db.execute("SELECT body FROM entries WHERE kind = 'message' AND sender = ?", (grace,)).fetchall()
        others = db.execute("SELECT body FROM entries WHERE kind = 'message' AND sender <> ?", (grace,)).fetchall()
    assert bodies
    assert set(bodies) == {("{}",)}
    assert ("{}",) not in others


def test_a_restored_store_gets_a_new_incarnation(admin: Run, tmp_path: Path) -> None:
    admin("create-user", "ada")
    with database(tmp_path) as db:
        before = db.execute("SELECT value FROM meta WHERE name = 'incarnation'").fetchone()
    assert admin("restored") == Exit.DONE
    with database(tmp_path) as db:
        assert db.execute("SELECT value FROM meta WHERE name = 'incarnation'").fetchone() != before
