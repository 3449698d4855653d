"""Clients of protocol v1: many in one process, each writing down all that it asked for and was told."""
