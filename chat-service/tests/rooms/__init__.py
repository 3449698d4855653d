"""Tests of the heart: the writer, delivery, opening and everything that follows an append."""
