"""Tests of the checks, of the plan and the links, and a short set of rounds."""
