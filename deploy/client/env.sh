# shellcheck shell=sh
# A client of the team's server: copy it, fill it in, and `source` it. Never put it into git.

export MLFLOW_TRACKING_URI=https://mlflow.example.org
# The certificate authority, if this machine does not trust it already.
#export MLFLOW_TRACKING_SERVER_CERT_PATH=$HOME/.mlflow/authority.pem

# Your login: keep the password out of this file, in ~/.mlflow/credentials (mode 0600):
#   [mlflow]
#   mlflow_tracking_username = …
#   mlflow_tracking_password = …

# Models are loaded as skops files with reviewed types; a pickle from the server is not loaded.
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false

# Outside the network (the default): every artifact passes through the server.
export MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD=false
export MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=false
# Inside the network, where clients reach S3: downloads, and uploads of 500 MB or more, go to S3
# directly, by addresses that the server signs for each file.
#export MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD=true
#export MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=true

# Check all of it: python -m reprise.doctor
