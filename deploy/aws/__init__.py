"""The team server on AWS: one CloudFormation template, and what checks it without an account.

``mlflow-server.yaml`` is what is shipped. ``template`` reads it, ``assertions`` and ``policy`` are
pure functions over it, ``linters`` and ``emulation`` run other people's tools on it, and
``check`` (``make aws-check``) runs them all. It is linted and emulated, not deployed.
"""
