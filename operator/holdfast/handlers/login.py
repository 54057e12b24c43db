"""What kopf speaks to the API server with: the same server, credentials and rule of trust as our own client."""

import ssl

import kopf

from holdfast.kube import access
from holdfast.kube.access import Credentials


class Connection(kopf.ConnectionInfo):
    """kopf's own, but for whom it trusts and what it prints.

    Not kopf's `AiohttpSession`: two of them are never equal, so that a token which the server refuses would be tried
    again without end.
    """

    def as_ssl_context(self) -> ssl.SSLContext:
        """Make the context that all of kopf's requests use."""
        return access.trust(super().as_ssl_context())

    def __repr__(self) -> str:
        """Leave out the token, which the inherited one prints."""
        return f"{type(self).__name__}(server={self.server!r})"


def connection(credentials: Credentials) -> Connection:
    """Return what kopf's login hands over."""
    return Connection(
        server=credentials.server,
        ca_path=credentials.ca_file,
        insecure=not credentials.verify,
        token=credentials.token,
        certificate_path=credentials.cert_file,
        private_key_path=credentials.key_file,
        proxy_url=credentials.proxy,
    )
