"""The same without hardware: simulated units whose shell is a real `/bin/sh` in a private folder.

The room sees config, values, errors and files only, so that a simulator can contradict the client instead of
sharing its mistakes. Start at `factory.rehearsal.bench.SimulatedBench`.
"""
