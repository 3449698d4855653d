"""The load generator: a process of its own that plays the clients and measures."""
