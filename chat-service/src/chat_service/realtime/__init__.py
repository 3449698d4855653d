"""Socket.IO: the server, and the protocols that are spoken on its namespaces."""
