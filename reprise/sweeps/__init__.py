"""Runs in numbers: planned, made in warm processes here or on a cluster, and closed truthfully.

`grid` expands values into the points of a sweep, and `experiment` an experiment file into runs.
`plan` makes planned runs: each is an ordinary run below the one that asks. An executor makes them:
`executor` in forks of a process on this machine (`host`), `cluster` in such processes on others.
"""
