"""What is installed on a machine of the tracking server; `bootstrap` puts it there.

* `settings`: what the server is told, checked before anything starts
* `serve`: one MLflow server on a Unix socket, behind nginx
* `login`: what MLflow's permissions overlook, refused as a request comes in
* `service`: requests to the servers of this machine, as somebody with an account
* `accounts`: who may log in, and see what others have made
* `nginx`: its configuration
* `database`: PostgreSQL: its programs, its one lock, and a digest of everything in it
* `stores`: a bucket or a folder, and the files in it
* `manifest`: what a backup holds
* `backup`: the database first, the artifacts second
* `restore`: both, into empty ones
* `migrate`: the database's tables for a new version of MLflow
* `verify`: the server against a backup
* `rewind`: artifacts as they were at a time, from a versioned bucket

All of them are `mlflow-server <command>` there, and `python -m deploy.server <command>` here.
"""
