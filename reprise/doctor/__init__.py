"""Check whether this machine can work with the team's tracking server: `reprise doctor`.

The doctor prints one line for each check, and how to fix what fails. It is not an entry point of
MLproject on purpose: `mlflow run` itself needs the server before it starts anything.

`checks` has the table of checks and of the checks that each needs: `connection` (address,
certificate, clock), `account` (login, versions, permission), `transfer` (presigned transfers,
artifacts) and `local` (pickle, git). All checks share a `Context`, and each returns a
`CheckResult`. The experiment `reprise-doctor` may stay on the server; runs and artifacts do not.
"""
