"""The way into the chat that the tests take: a port of the node, which its namespace has nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.gitops.repository import Repository

QUOTA = "platform/security/namespaces/no-entrance/quota.yaml"


def one_port(repository: Repository) -> dict[str, str]:
    """The quota that forbids ports of the nodes, with one: no gateway of a cloud is here to come in by."""
    none, one = (f'services.nodeports: "{count}"' for count in (0, 1))
    quota = repository.read(QUOTA)
    assert none in quota
    return {QUOTA: quota.replace(none, one)}
