"""Real servers for the tests: how each is found, started and stopped."""
