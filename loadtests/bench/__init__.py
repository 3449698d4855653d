"""Benchmarks: the service beside the official Socket.IO server, under the same load on the same machine."""
