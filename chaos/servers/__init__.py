"""The real servers of a round, each a process of its own, and the links between them that can be made bad."""
