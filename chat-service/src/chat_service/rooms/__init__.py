"""The heart: appending to a room's log in order, and bringing what was appended to everyone who reads."""
