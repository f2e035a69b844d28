"""The environment variables of our own: what each is for, who sets it and who reads it.

The protocol is what a replay says to the process that it starts. The engine of that process is the
one of the run's own commit, which may be older than this one, or newer. So its variables keep their
names and their meaning, and a reader ignores those that it does not know. If a meaning must change,
the number changes, and a reader that does not know the number refuses it. An engine older than the
number (before REPRISE_PROTOCOL) reads version 1. `docs/protocol.md` describes it for people.

All else passes between processes of one engine, and may change with it: as one variable, TASK.
"""

PROTOCOL = "REPRISE_PROTOCOL"  # the version of the variables below: this engine speaks
VERSION = "1"

# Set by `replay.prepare`; CODE, DATA_FOLDER and PERMISSIONS also by sweeps, for their child runs.
# Every process that the replay starts inherits them; `runtime.launch` takes CODE for itself.
CODE = "REPRISE_CODE"  # the code that a process runs, as JSON: it captures none itself
DATA_FOLDER = "REPRISE_DATA_FOLDER"  # where a relative path leads that does not exist in a checkout
RUN_NUMBER = "REPRISE_RUN_NUMBER"  # which of the runs that a script makes is the one given, from 1
BELOW = "REPRISE_BELOW"  # id of the parent run of all other runs that a script makes
PERMISSIONS = "REPRISE_PERMISSIONS"  # what may be read outside the checkout, as JSON

# Set by `commands.handover` and `sweeps.executor`, read once by `runtime.launch`: a
# `process.task.StepTask`, as JSON.
TASK = "REPRISE_TASK"

# Set by a user, read by `reprise_context` as MLflow is imported.
CAPTURE = "REPRISE_CAPTURE"  # 1: the first run of the process is recorded, whoever makes it

# Set by a user, read by `tracking`.
SPOOL = "REPRISE_SPOOL"  # folder for results that the tracking server has not accepted
PATIENCE = "REPRISE_PATIENCE"  # for how many seconds a step waits for a tracking server; 60
