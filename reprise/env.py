"""The environment variables of our own: what each is for, who sets it and who reads it.

The first group is a protocol: a replay sets them for a process whose engine is that of the run's
own commit, which may be old. They keep their names and their meaning. All others pass between
processes of one engine, and may change with it.
"""

# The protocol, set by `replay.prepare` (and, of CODE, by sweeps), read by `runtime` and `scripts`.
CODE = "REPRISE_CODE"  # the code that a process runs, as JSON: it captures none itself
DATA_FOLDER = "REPRISE_DATA_FOLDER"  # where a relative path leads that does not exist in a checkout
RUN_NUMBER = "REPRISE_RUN_NUMBER"  # which of the runs that a script makes is the one given, from 1
BELOW = "REPRISE_BELOW"  # id of the run below which a script makes its others

# Set by `replay.prepare`, read by `trust.permissions` in the replay and in what it starts.
PERMISSIONS = "REPRISE_PERMISSIONS"  # what a replay may read outside its checkout, as JSON
# Set by `commands.handover`, read by the step that it starts.
ORDERED = "REPRISE_ORDERED"  # the run that a step makes for itself, as JSON
CAPTURED = "REPRISE_CAPTURED"  # folder in which a step finds its source, captured ahead of it
# Set by `process.fork_server` and `commands.handover`, read by `runtime.outcome`.
REPORT = "REPRISE_REPORT"  # file to which a step reports its run and its metrics, as JSON
# Set by `sweeps.runner`, read by the steps of a sweep.
PLANNED = "REPRISE_PLANNED"  # the run that a process is to make for itself, as JSON
ONCE = "REPRISE_ONCE"  # key of that run: where a finished run has it, it is not made again
KEPT = "REPRISE_KEPT"  # folder of artifacts that several processes read, fetched once
KEEP = "REPRISE_MODELS"  # which models a process is to keep:
ALL = "all"
NONE = "none"
# REPRISE_CHANNEL, the file descriptor of a process that serves, stands in `process.launcher`, which
# imports nothing of the engine.
