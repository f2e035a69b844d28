"""Runs in numbers: planned, made in warm processes here or on a cluster, and closed truthfully.

`planning` turns a grid file into runs, whose points `grid` expands, and `experiment_file` does so
with an experiment file. `sweep` makes the runs that are missing; `runner` makes planned runs, each
an ordinary child run of the one that asks, by an executor: `executor` in forks of a process on this
machine, `dask_executor` in such processes on others. `executors` chooses.
"""
