"""The team's server on AWS: one CloudFormation template, and its checks without an account.

``mlflow-server.yaml`` is the template. ``template`` reads it, ``assertions`` and ``policy`` are
pure functions of it, ``linters`` and ``emulation`` run third-party tools on it, and ``check``
(``make aws-check``) runs all of them. The template is linted and emulated, not deployed.
"""
