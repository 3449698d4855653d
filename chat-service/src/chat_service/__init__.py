"""The chat service: rooms as append-only logs, over Socket.IO and REST."""
