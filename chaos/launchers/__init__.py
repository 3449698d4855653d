"""Starts `chat-service serve` with something changed in it, for experiments: no setting does any of that."""
