"""The one error of this package."""


class ClusterError(Exception):
    """The cluster cannot do what was asked: the message says what to do, or has the log of what failed."""
