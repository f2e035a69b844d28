"""Complete settings of a server, as in a machine's environment."""

STRONG = "x7Qv!mZk29sLw_Tb4"
SETTINGS = {
    "SERVER_NAME": "mlflow.example.org",
    "ALLOWED_NETWORKS": "10.0.0.0/8,192.0.2.0/24",
    "PGHOST": "database.example.org",
    "PGPASSWORD": STRONG,
    "ARTIFACTS": "s3://bucket/artifacts",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": f"{STRONG}-s3",
    "MLFLOW_AUTH_ADMIN_PASSWORD": STRONG[::-1],
    "MLFLOW_FLASK_SERVER_SECRET_KEY": STRONG * 2,
    "MLFLOW_SERVER_SETTINGS": "/nonexistent",
}
