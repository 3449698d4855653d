"""The house rules of the repository that no linter knows: who imports whom, sizes, locks, hosts, links."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "chat-service" / "src" / "chat_service"
MODULES = sorted(SOURCE.rglob("*.py"))

# The rooms from the roof to the ground: a room imports itself and what is on lower floors.
FLOORS = (
    ("cli",),
    ("admin", "check", "settings_table"),
    ("command",),
    ("app",),
    ("admission", "worker", "demo"),
    ("lifecycle",),
    ("background",),
    ("periodic", "stores"),
    ("settings",),
    ("environment",),
    ("realtime",),
    ("engine", "http"),
    ("jobs",),
    ("rooms",),
    ("identity",),
    ("files",),
    ("log", "directory", "bus"),
    ("storage",),
    ("observability",),
    ("rate", "secret", "model"),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Rooms that may import less than their floor allows.
ONLY = {"engine": {"observability", "rate", "secret"}}
# Rooms with fewer doors: a room is given the values it needs, not all the settings.
IMPORTED_ONLY_BY = {
    "settings": {
        "cli",
        "admin",
        "command",
        "settings_table",
        "app",
        "admission",
        "lifecycle",
        "stores",
        "background",
    },
    "environment": {"cli", "settings", "settings_table"},
}
# Packages that one room hides from all the others.
BEHIND_ONE_DOOR = {
    "PIL": "files",
    "bson": "storage",
    "engineio": "engine",
    "motor": "storage",
    "obstore": "files",
    "pymongo": "storage",
    "socketio": "realtime",
}

# In parts, so that this file does not name them itself.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("golang", "org"),
        ("goproxy", "io"),
        ("crates", "io"),
        ("maven", "org"),
        ("maven", "apache", "org"),
        ("rubygems", "org"),
        ("debian", "org"),
        ("ubuntu", "com"),
        ("alpinelinux", "org"),
    )
]


def room_of(module: Path) -> str:
    return module.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(module: Path) -> Iterator[str]:
    """Every module that a module imports, in full; `from package import name` counts as package.name."""
    package = ("chat_service", *module.relative_to(SOURCE).parts[:-1])
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            parts = (*base, *filter(None, [node.module]))
            yield from (".".join((*parts, name.name)) for name in node.names)


def rooms_imported(module: Path) -> set[str]:
    names = (name.split(".") for name in imports(module))
    return {name[1] for name in names if name[0] == "chat_service" and len(name) > 1}


def identify(module: Path) -> str:
    return str(module.relative_to(SOURCE))


@pytest.fixture(scope="module")
def committed(require: Callable[[str], str]) -> list[Path]:
    """Every file that is or would be committed."""
    git = require("git")
    listed = subprocess.run(
        [git, "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.parent != SOURCE or m.stem != "__init__"], ids=identify
)
def test_dependencies_point_downwards(module: Path) -> None:
    room = room_of(module)
    assert room in FLOOR_OF, f"{room} is new: give it a floor in FLOORS"
    for other in rooms_imported(module) - {room}:
        assert other in FLOOR_OF, f"{other} is new: give it a floor in FLOORS"
        assert FLOOR_OF[other] > FLOOR_OF[room], f"{room} is not above {other} and must not import it"
        assert other in ONLY.get(room, FLOOR_OF), f"{room} stands by itself and must not import {other}"
        assert room in IMPORTED_ONLY_BY.get(other, FLOOR_OF), (
            f"{other} is not for {room}: hand it the values it needs"
        )


@pytest.mark.parametrize("module", MODULES, ids=identify)
def test_a_package_behind_one_door_is_imported_only_there(module: Path) -> None:
    for name in imports(module):
        package = name.split(".", maxsplit=1)[0]
        assert room_of(module) == BEHIND_ONE_DOOR.get(package, room_of(module)), f"{package} belongs elsewhere"


@pytest.mark.parametrize("module", MODULES, ids=identify)
def test_a_file_has_one_subject_and_says_which(module: Path) -> None:
    text = module.read_text()
    assert ast.get_docstring(ast.parse(text)), "the first line is a docstring that says the file's one subject"
    assert text.count("\n") <= 400, "a file this long has a second subject: give it a file"


@pytest.mark.parametrize("module", MODULES, ids=identify)
def test_functions_are_short(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 60, f"{node.name} has {lines} lines"


def test_no_committed_file_names_the_host_of_a_package_index(committed: list[Path]) -> None:
    # Whoever installs chooses the index or its mirror; a host in a lock would choose for them.
    pattern = re.compile(rb"(?<![\w-])(" + "|".join(map(re.escape, INDEX_HOSTS)).encode() + rb")\b", re.IGNORECASE)
    found = {str(path.relative_to(ROOT)) for path in committed if pattern.search(without_module_paths(path))}
    assert not found


def without_module_paths(path: Path) -> bytes:
    """What a file says, but for the names of Go's modules, which look like hosts and choose no index."""
    if path.name not in {"go.mod", "go.sum"}:
        return path.read_bytes()
    return re.sub(rb"(?m)^(\t|require )?[a-z][\w.-]*\.[a-z]+/[^\s:]+ v", b"v", path.read_bytes())


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("\t{}/x/net v0.40.0 // indirect", False),
        ("{}/x/net v0.4.0/go.mod h1:a=", False),
        ("// https://proxy.{}/x", True),
        ("replace a.example/b => {}/x/net v1", True),
    ],
)
def test_the_name_of_a_go_module_is_no_host(tmp_path: Path, line: str, host: bool) -> None:
    file = tmp_path / "go.mod"
    file.write_text(f"module chat\n{line.format(INDEX_HOSTS[5])}\n")
    assert (INDEX_HOSTS[5].encode() in without_module_paths(file)) is host


def test_no_committed_python_file_lacks_its_subject(committed: list[Path]) -> None:
    for path in committed:
        if path.suffix == ".py" and path.stat().st_size:
            assert ast.get_docstring(ast.parse(path.read_text())), (
                f"{path.relative_to(ROOT)} begins without a docstring"
            )


def test_links_between_documents_lead_somewhere(committed: list[Path]) -> None:
    for page in committed:
        if page.suffix == ".md":
            for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text()):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / lock).read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def test_the_tests_run_against_the_versions_that_are_shipped() -> None:
    shipped = pins("run.txt")
    assert shipped
    assert {name: version for name, version in pins("dev.txt").items() if name in shipped} == shipped


@pytest.mark.parametrize("lock", [path.name for path in sorted((ROOT / "requirements").glob("*.txt"))])
def test_every_pin_has_a_hash(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    assert len(re.findall(r"^[\w.-]+==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)) == len(pins(lock))


@pytest.mark.parametrize(
    "script", [*sorted((ROOT / "scripts").iterdir()), ROOT / ".ci" / "run"], ids=lambda p: p.name
)
def test_scripts_can_be_run(script: Path) -> None:
    assert script.read_text().startswith("#!")
    assert os.access(script, os.X_OK)


def test_ci_runs_the_test_command_of_the_readme_and_then_the_cluster() -> None:
    assert "make test\n" in (ROOT / "README.md").read_text()
    commands = re.findall(
        r"^(?:exec )?make ([a-z-]+) </dev/null$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE
    )
    assert commands == ["test", "cluster-smoke"]
