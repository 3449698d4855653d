"""An exhaustive model of two writers appending to one room's log."""
