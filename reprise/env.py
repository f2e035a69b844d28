"""The environment variables of our own, each with who sets and who reads it."""

CAPTURED = "REPRISE_CAPTURED"  # variable: where a step finds its source
KEEP = "REPRISE_MODELS"  # which models a process is to keep: ALL, or NONE
ALL = "all"
NONE = "none"
REPORT = "REPRISE_REPORT"  # file to write it to
PERMISSIONS = "REPRISE_PERMISSIONS"  # of a process that is, or is below, a replay; as JSON
ORDERED = "REPRISE_ORDERED"  # one that a step is to make for itself, as JSON
CODE = "REPRISE_CODE"  # the code that a process is given, as JSON
RUN_NUMBER = "REPRISE_RUN_NUMBER"  # which of the runs that a script makes is the one given
BELOW = "REPRISE_BELOW"  # the run below which a script makes the others
DATA_FOLDER = "REPRISE_DATA_FOLDER"
KEPT = "REPRISE_KEPT"  # folder of artifacts that several processes read
PLANNED = "REPRISE_PLANNED"  # the run that a process is to make for itself, as JSON
ONCE = "REPRISE_ONCE"  # key of that run: where a finished run has it, it is not made again
