"""Fault experiments on one machine: real servers, many clients, faults under load, and a checker that judges."""
