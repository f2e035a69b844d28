"""Whether this machine can work with the team's tracking server: `python -m reprise.doctor`.

One line for each check, and for what is not well, what to do. It is no entry point of MLproject on
purpose: `mlflow run` itself needs the server before it starts anything.

`checks` is the table of checks and of what each stands on: `connection` (address, certificate,
clock), `account` (login, versions, permission), `transfer` (presigned transfers, artifacts) and
`surroundings` (pickle, git). A `visit` is what they share, a `finding` what each of them says.
An experiment `reprise-doctor` may stay on the server; runs and artifacts do not.
"""
