"""The chains of iptables that the cluster's parts make, and their removal."""

import re
from collections import defaultdict

from cluster.local.commands import run

TABLES = ("filter", "nat", "mangle", "raw")
# kube-proxy, the CNI plugins, and network.py here.
OURS = re.compile(r"(KUBE|CNI|CHAT)-")


def chains() -> set[str]:
    """Those there are now of the kinds that the cluster makes, each as "iptables nat KUBE-SERVICES"."""
    return {
        f"{tool} {table} {words[1]}"
        for tool in ("iptables", "ip6tables")
        for table in TABLES
        for words in map(str.split, _rules(tool, table))
        if words[0] == "-N" and OURS.match(words[1])
    }


def remove(unwanted: set[str]) -> None:
    """Removes chains, and the rules of others that lead to them."""
    tables: dict[tuple[str, str], set[str]] = defaultdict(set)
    for chain in unwanted:
        tool, table, name = chain.split()
        tables[tool, table].add(name)
    for (tool, table), names in tables.items():
        jumps = [rule for rule in _rules(tool, table) if _leads(rule, names)]
        lines = [
            f"*{table}",
            *(f":{name} - [0:0]" for name in sorted(names)),  # makes it empty
            *(rule.replace("-A", "-D", 1) for rule in jumps),
            *(f"-X {name}" for name in sorted(names)),
            "COMMIT\n",
        ]
        # All at once: other programs, such as a Docker Engine, change these tables at any time.
        run(f"{tool}-restore", "--noflush", "--wait", text="\n".join(lines))


def _rules(tool: str, table: str) -> list[str]:
    return run(tool, "--wait", "--table", table, "--list-rules").splitlines()


def _leads(rule: str, names: set[str]) -> bool:
    words = rule.split()
    return words[0] == "-A" and words[1] not in names and "-j" in words and words[words.index("-j") + 1] in names
