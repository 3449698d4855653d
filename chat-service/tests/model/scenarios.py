"""The situations that are searched: small enough to be exhausted, each with the faults it is about."""

from .room_state import Scenario, Send

A, B = 0, 1

REPEAT_ON_BOTH_NODES = Scenario(
    "a repeat on both nodes, and a late insert",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k1 to B", B, "c2", "ann", "k1"),
        Send("k2 to B", B, "c2", "ann", "k2"),
    ),
    timeouts=2,
)
OTHER_DIGEST = Scenario(
    "one key with two digests on both nodes",
    sends=(
        Send("k1/d1 to A", A, "c1", "ann", "k1"),
        Send("k1/d2 to B", B, "c2", "ann", "k1", digest="d2"),
        Send("k1/d1 to B", B, "c3", "ann", "k1"),
    ),
    timeouts=1,
)
REPEAT_IN_BATCH = Scenario(
    "one key three times in one batch",
    sends=(
        Send("k1/d1 to A", A, "c1", "ann", "k1"),
        Send("k1/d1 again", A, "c2", "ann", "k1"),
        Send("k1/d2 to A", A, "c3", "ann", "k1", digest="d2"),
        Send("k2 to B", B, "c4", "bob", "k2"),
    ),
    batch_limit=3,
    timeouts=1,
)
KEYS_BEYOND_MEMORY = Scenario(
    "a repeat of a key that left memory long ago",
    sends=(
        Send("k1 long ago", A, "c0", "ann", "k1"),
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A", A, "c2", "ann", "k2"),
        Send("k2 to B", B, "c3", "ann", "k2"),
    ),
    history=(0,),
    timeouts=1,
)
UNIQUE_INDEX = Scenario(
    "a repeat of a key that left memory, with a unique index and no look-up",
    sends=KEYS_BEYOND_MEMORY.sends,
    history=(0,),
    unique_keys=True,
    timeouts=1,
)
LATE_BATCH = Scenario(
    "a batch that lands late, whole or in part, while its writer retries it in other sizes",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A", A, "c1", "ann", "k2"),
        Send("k3 to B", B, "c2", "bob", "k3"),
    ),
    timeouts=2,
    deadlines=1,
)
SENDS_ON_AFTER_UNKNOWN = Scenario(
    "a connection sends on after it was told that an outcome is unknown",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A", A, "c1", "ann", "k2"),
        Send("k3 to A, after k1's answer", A, "c1", "ann", "k3", follows=0),
        Send("k4 to B", B, "c2", "bob", "k4"),
    ),
    timeouts=1,
    deadlines=1,
)
BAN_ON_OTHER_NODE = Scenario(
    "a ban on one node while its target sends on the other",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A", A, "c1", "ann", "k2"),
        Send("k1 to B", B, "c2", "ann", "k1"),
        Send("ban of ann to B", B, "c3", "bob", "k9", bans="ann"),
    ),
    timeouts=1,
    deadlines=1,
)
BAN_IN_BATCH = Scenario(
    "a ban and a send of its target in one batch, and a ban of the one who bans",
    sends=(
        Send("ban of ann to A", A, "c1", "bob", "k1", bans="ann"),
        Send("k2 to A", A, "c2", "ann", "k2"),
        Send("ban of bob to B", B, "c3", "eve", "k3", bans="bob"),
    ),
    timeouts=1,
)
FAILOVER = Scenario(
    "a fail-over of the store with inserts in flight",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A", A, "c1", "ann", "k2"),
        Send("k1 to B", B, "c2", "ann", "k1"),
    ),
    timeouts=1,
    failovers=1,
)
CRASH = Scenario(
    "a node is killed and its client repeats on a new connection",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A", A, "c1", "ann", "k2"),
        Send("k1 to A, after k1's answer", A, "c2", "ann", "k1", follows=0),
        Send("k3 to B", B, "c3", "bob", "k3"),
    ),
    timeouts=1,
    crashes=1,
)
PUBLISHED = Scenario(
    "a writer learns of entries from the bus",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k1 to B", B, "c2", "ann", "k1"),
        Send("k2 to B", B, "c2", "ann", "k2"),
    ),
    timeouts=1,
    publishes=True,
)
HANDOVER = Scenario(
    "a writer that lost a race hands over, twice where it gets no answer",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A", A, "c1", "ann", "k2"),
        Send("k3 to B", B, "c2", "bob", "k3"),
    ),
    deadlines=1,
    handovers=2,
)
SENDS_ON_AFTER_HANDOVER = Scenario(
    "a connection sends on after a hand-over",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A, after k1's answer", A, "c1", "ann", "k2", follows=0),
        Send("k3 to B", B, "c2", "bob", "k3"),
    ),
    deadlines=1,
    handovers=2,
)
REPEATS_AFTER_HANDOVER = Scenario(
    "a connection repeats a send whose hand-over had no answer, and sends on",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k1 to A again, after its answer", A, "c1", "ann", "k1", follows=0),
        Send("k2 to A, after that", A, "c1", "ann", "k2", follows=1),
        Send("k3 to B", B, "c2", "bob", "k3"),
    ),
    deadlines=1,
    handovers=2,
)
REPEAT_AND_LIFTED_BAN = Scenario(
    "a send whose hand-over had no answer is repeated while its sender is banned, and stored when that is lifted",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k1 to A again, after its answer", A, "c1", "ann", "k1", follows=0),
        Send("ban of ann to B", B, "c2", "bob", "k8", bans="ann"),
        Send("lift of the ban to B", B, "c3", "eve", "k9", lifts="ann"),
    ),
    deadlines=1,
    handovers=1,
)
HANDOVER_AND_LIFTED_BAN = Scenario(
    "a ban is made and lifted while a hand-over is on its way",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("ban of ann to B", B, "c2", "bob", "k8", bans="ann"),
        Send("lift of the ban to A", A, "c3", "eve", "k9", lifts="ann"),
    ),
    timeouts=1,
    handovers=1,
    bus_repeats=True,
)
HANDOVER_OF_TRIED_SEND = Scenario(
    "a send with an insert in flight is handed over to a node that has not seen a ban lifted",
    sends=(
        Send("lift of the ban to A", A, "c1", "eve", "k9", lifts="ann"),
        Send("k1 to A", A, "c2", "ann", "k1"),
        Send("ban of ann to B", B, "c3", "bob", "k8", bans="ann"),
    ),
    timeouts=1,
    handovers=1,
)
HANDOVER_GIVEN_UP = Scenario(
    "the receiver gives up a hand-over while the origin's own insert of it is in flight",
    sends=HANDOVER.sends,
    timeouts=1,
    deadlines=1,
    handovers=1,
)
HANDOVER_REFUSED = Scenario(
    "the receiver of a hand-over refuses its first send",
    sends=(
        Send("k1/d1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A", A, "c1", "ann", "k2"),
        Send("k1/d2 to B", B, "c2", "ann", "k1", digest="d2"),
    ),
    handovers=1,
    bus_repeats=True,
)
REFUSED_IN_DOUBT = Scenario(
    "a send in doubt is refused and then allowed again, with another one behind it",
    sends=(
        Send("k1 to A", A, "c1", "ann", "k1"),
        Send("k2 to A", A, "c1", "ann", "k2"),
        Send("ban of ann to B", B, "c2", "bob", "k8", bans="ann"),
        Send("lift of the ban to B", B, "c3", "eve", "k9", lifts="ann"),
    ),
    handovers=2,
)
DELETED_IN_DOUBT = Scenario(
    "what a send is about is deleted while its hand-over has no answer; its connection repeats it and sends on",
    sends=(
        Send("k1 about m to A", A, "c1", "ann", "k1", about="m"),
        Send("k1 about m again, after its answer", A, "c1", "ann", "k1", about="m", follows=0),
        Send("k2 to A, after that", A, "c1", "ann", "k2", follows=1),
        Send("deletion of m to B", B, "c2", "bob", "k3", deletes="m"),
    ),
    deadlines=1,
    handovers=2,
)
ANOTHER_REQUEST_IN_DOUBT = Scenario(
    "a connection uses the key of a send in doubt for a request that is refused for good, and sends on",
    sends=(
        Send("k1/d1 to A", A, "c1", "ann", "k1"),
        Send("k1/d2 about m to A, after its answer", A, "c1", "ann", "k1", digest="d2", about="m", follows=0),
        Send("k2 to A, after that", A, "c1", "ann", "k2", follows=1),
        Send("deletion of m to B", B, "c2", "bob", "k3", deletes="m"),
    ),
    deadlines=1,
    handovers=1,
)
