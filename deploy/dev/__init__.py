"""The whole server on one machine, for development and for the tests; `make server` starts it.

* `install`: installs the Debian packages that it needs
* `processes`: programs that end with this process
* `certificates`: a certificate authority, and a certificate for loopback
* `postgresql`: a database with a write-ahead log that can be recovered to a point in time
* `ceph`: a real S3: one monitor, one disk, one gateway
* `stack`: all of them, with two MLflow servers and nginx from the files in deploy/server
* `machine`: a Debian with systemd in a container
* `trial`: runs `deploy/server/bootstrap` in that container, and checks the result
"""
