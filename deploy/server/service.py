"""Requests to this machine's MLflow servers, without nginx, with an account."""

import base64
import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from deploy.server.errors import ServerError
from deploy.server.nginx import SERVERS
from deploy.server.serve import socket as socket_of
from deploy.server.settings import Settings

_SECONDS = 300
_PAGE = 1000


class Service:
    """Sends requests to the server with one account.

    Parameters
    ----------
    settings : Settings
        The account is that of MLFLOW_TRACKING_USERNAME and _PASSWORD, else the settings' admin.
    """

    def __init__(self, settings: Settings) -> None:
        password = settings.mlflow_auth_admin_password.get_secret_value()
        self._settings = settings
        self.username = os.environ.get(
            "MLFLOW_TRACKING_USERNAME", settings.mlflow_auth_admin_username
        )
        login = f"{self.username}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', password)}"
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
            "Content-Type": "application/json",
            "Host": settings.host,
        }

    def ask(
        self,
        method: str,
        path: str,
        values: Mapping[str, Any],
        *,
        also: HTTPStatus = HTTPStatus.OK,
    ) -> dict[str, Any]:
        """Send values to a path below `/api`, and return the answer.

        Parameters
        ----------
        method : str
            With GET the values are the query, with any other the body, as JSON.
        also : HTTPStatus
            Another status that counts as success.

        Raises
        ------
        ServerError
            If no server answers, or the server refuses.
        """
        query, body = (f"?{urlencode(values)}", None) if method == "GET" else ("", values)
        connection = self._connect()
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api{path}{query}", text, self._headers)
            answer = connection.getresponse()
            content = answer.read().decode("utf-8", "replace")
        except OSError as error:
            raise ServerError(f"the MLflow server broke off: {error}; try again") from None
        finally:
            connection.close()
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise ServerError(
                f"the server does not let {self.username} in. If the password was changed, set "
                "MLFLOW_TRACKING_PASSWORD (and MLFLOW_TRACKING_USERNAME)."
            )
        if answer.status not in {HTTPStatus.OK, also}:
            raise ServerError(f"the server refused {path} ({answer.status}): {_reason(content)}")
        return dict(json.loads(content or "{}"))

    def pages(self, method: str, path: str, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield every page of a search."""
        token = ""
        while True:
            page = self.ask(method, path, {**values, "max_results": _PAGE, "page_token": token})
            yield page
            token = page.get("next_page_token", "")
            if not token:
                return

    def _connect(self) -> "_UnixConnection":
        """Connect to the first server of this machine that answers."""
        for number in SERVERS:
            connection = _UnixConnection(str(socket_of(self._settings, number)))
            try:
                connection.connect()
            except OSError:
                continue
            return connection
        raise ServerError(
            "expected an MLflow server on this machine, found none that answers. Start them: "
            f"systemctl start {' '.join(f'mlflow@{number}' for number in SERVERS)}"
        )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def _reason(content: str) -> str:
    try:
        return str(json.loads(content)["message"]).splitlines()[0]
    except (ValueError, KeyError, TypeError, IndexError):
        return " ".join(content.split())[:200]
