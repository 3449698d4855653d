"""Plain types and pure rules of the chat: no I/O, no framework, no clock of their own."""
