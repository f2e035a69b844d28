"""The programs on a machine of the tracking server; `bootstrap` installs them.

* `settings`: the server's settings, checked before anything starts
* `serve`: one MLflow server on a Unix socket, behind nginx
* `login`: refuses requests that MLflow's permissions overlook
* `service`: requests to the servers of this machine, with an account
* `accounts`: accounts, and grants to see what others have made
* `nginx`: the configuration of nginx
* `database`: PostgreSQL: its programs, its one lock, and a digest of its content
* `stores`: a bucket or a folder, and the files in it
* `manifest`: the content of a backup
* `backup`: copies the database first, the artifacts second
* `restore`: restores both into an empty database and an empty bucket
* `migrate`: changes the database's tables for a new version of MLflow
* `verify`: compares the server with a backup
* `rewind`: restores the artifacts of a point in time from a versioned bucket

All of them are `mlflow-server <command>` there, and `python -m deploy.server <command>` here.
"""
