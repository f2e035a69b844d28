"""Runs in numbers: planned, made in warm processes here or on a cluster, and closed truthfully.

`grid` expands values into the points of a sweep, and `experiment_file` reads a file into runs.
`runner` makes planned runs: each is an ordinary child run of the one that asks. An executor makes
them: `executor` in forks of a process on this machine, `dask_executor` in such processes on others.
"""
