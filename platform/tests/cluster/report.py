"""The report of the proof: what was done to the chat on a real Kubernetes, and what people noticed of it."""

from __future__ import annotations

import itertools
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from chaos import machine, plot

from cluster.kubectl import Kubectl
from cluster.load import Noticed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[3]
KEPT = ROOT / ".cache" / "cluster" / "noticed.json"
TIMED = ROOT / ".cache" / "cluster" / "gitops.json"
JUDGED = ROOT / ".cache" / "cluster" / "judged.json"
PAGE = ROOT / "docs" / "reports" / "cluster.md"
PLOTTED = (
    "rolling update",
    "upgrade with a migration, and rollback",
    "evictions one by one",
    "scaled 3 to 1 to 4",
    "scaled in by KEDA",
)

_HOW = """
People talk through a Service while something is done to what is behind it: they write, edit, delete, react,
lose their connections, come back and repeat as the protocol says. In the end every log is read whole, and all
that was recorded is judged by the checks of [chaos](../../chaos/README.md). *Reconnects* are connections that
ended under the load; *longest gap* is the longest that a client was without a live room after one; *longest
silence* the longest without an acknowledgement to anybody. MongoDB is FerretDB here, which reads whole
collections: people talk slowly, and the figures are about the platform and not about speed.
"""

_BY_GIT = """
A real Argo CD builds the platform's own files on the cluster, from a Git repository made of this tree. It is told
of a commit at once, as by a webhook; what differs in the cluster it notices by itself.
"""

_BY_THE_CLUSTER = """
The API server, and Gatekeeper behind its webhook, are asked about what the platform's files make of each cluster.
"""


def keep(noticed: Noticed) -> None:
    """Keep what was noticed, in place of what was the last time."""
    by_name = {one.about: one for one in read()} | {noticed.about: noticed}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_bytes(msgspec.json.encode([*by_name.values()]))


def read() -> list[Noticed]:
    """What was kept."""
    return msgspec.json.decode(KEPT.read_bytes(), type=list[Noticed]) if KEPT.exists() else []


def time(about: str, seconds: float) -> None:
    """Keep how long Argo CD took for something, in place of the last time."""
    TIMED.parent.mkdir(parents=True, exist_ok=True)
    TIMED.write_bytes(msgspec.json.encode(times() | {about: seconds}))


def times() -> dict[str, float]:
    """What was kept of that."""
    return msgspec.json.decode(TIMED.read_bytes(), type=dict[str, float]) if TIMED.exists() else {}


def judge(about: str, outcome: str) -> None:
    """Keep what the cluster said to objects or requests, in place of the last time."""
    JUDGED.parent.mkdir(parents=True, exist_ok=True)
    JUDGED.write_bytes(msgspec.json.encode(judged() | {about: outcome}))


@contextmanager
def counting(about: str, of: int, outcome: str) -> Iterator[Callable[[], object]]:
    """Keep how many of so many had an outcome: the function counts one."""
    had = itertools.count()
    yield lambda: next(had)
    if count := next(had):
        judge(about, f"{count} of {of} {outcome}")


def judged() -> dict[str, str]:
    """What was kept of that."""
    return msgspec.json.decode(JUDGED.read_bytes(), type=dict[str, str]) if JUDGED.exists() else {}


def kept() -> object:
    """All that was kept, to be compared with what is kept later."""
    return read(), times(), judged()


def write(all_noticed: Sequence[Noticed], facts: dict[str, str]) -> None:
    """Write the page and its plots."""
    folder = PAGE.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    acked = sum(one.result.acked for one in all_noticed)
    lost, doubled = (_count(all_noticed, check) for check in ("no lost acknowledgement", "no duplicate"))
    parts = [
        "# What people notice when Kubernetes moves their chat",
        "Written by `make cluster-test`; by hand nothing is changed here. "
        "[platform/tests/cluster](../../platform/tests/cluster/README.md) says how it is run.",
        "\n".join(f"- {name}: {value}" for name, value in facts.items()),
        f"**{len(all_noticed)} times something was done under load: {acked:,} acknowledged writes, {lost} lost,"
        f" {doubled} doubled.**",
        _table(all_noticed),
        *filter(None, ["\n".join(f"- {one.about}: {one.also}" for one in all_noticed if one.also)]),
        _HOW.strip(),
        *(_plotted(one, folder) for one in all_noticed if one.about in PLOTTED),
        *_gitops(),
        *_judged(),
    ]
    PAGE.write_text("\n\n".join(parts) + "\n")


def _table(all_noticed: Sequence[Noticed]) -> str:
    head = "done, mode, clients, acknowledged, lost, doubled, reconnects, longest gap, longest silence, broken"
    columns = head.split(", ")
    rows = [columns, ["---"] * len(columns), *map(_row, all_noticed)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(one: Noticed) -> list[str]:
    return [
        one.about,
        one.result.world.partition(" ")[0],
        str(one.result.clients),
        f"{one.result.acked:,}",
        str(_count([one], "no lost acknowledgement")),
        str(_count([one], "no duplicate")),
        str(one.reconnects),
        f"{one.longest_gap_s:.1f} s",
        f"{one.longest_silence_s:.1f} s",
        ", ".join(sorted(one.broken)) or "nothing",
    ]


def _count(all_noticed: Sequence[Noticed], check: str) -> int:
    return sum(found.count for one in all_noticed for found in one.result.found if found.check == check)


def _plotted(one: Noticed, folder: Path) -> str:
    name = f"{one.about.replace(',', '').replace(' ', '-')}.svg"
    (folder / name).write_text(plot.svg(one.result))
    title = one.about[0].upper() + one.about[1:]
    return f"## {title}\n\n![Acknowledgements and reconnects over time]({folder.name}/{name})"


def _gitops() -> list[str]:
    rows = [f"| {about} | {seconds:.0f} s |" for about, seconds in times().items()]
    return (
        ["## GitOps", _BY_GIT.strip(), "\n".join(["| what happened | after |", "| --- | --- |", *rows])]
        if rows
        else []
    )


def _judged() -> list[str]:
    rows = [f"| {about} | {outcome} |" for about, outcome in sorted(judged().items())]
    table = "\n".join(["| asked | answer |", "| --- | --- |", *rows])
    return ["## Rights, policies and kinds", _BY_THE_CLUSTER.strip(), table] if rows else []


def facts(kubectl: Kubectl) -> dict[str, str]:
    """What a reader has to know of the machine and the cluster."""
    told = machine.describe()
    version = kubectl.version()
    node = kubectl.items("nodes")[0]["status"]["nodeInfo"]
    commit = subprocess.run(machine.COMMIT, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "date": told["date"],
        "machine": told["machine"],
        "Kubernetes": f"{version}, one node, {node['containerRuntimeVersion']}",
        "chat": f"commit {commit}",
    }
