"""Kafka's admin calls, made in a process that may die.

    client.Admin --- process.AdminProcess === pipes, wire ===> child --- cycle.Cycle --- librdkafka
    (this process, never an AdminClient in it)                 (its own process, small)

Callers take `Admin`, `AdminStats`, `Snapshot` and `hint` from `client`, what answers are made of
from `wire`. Nothing is offered here: the child imports this file too, and its memory is bounded.
"""
