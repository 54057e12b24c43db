"""Where the API server is and how to speak to it: from the Pod's own ServiceAccount, or from a kubeconfig file.

One configuration serves both our client and kopf, so that both always talk to the same cluster; and one rule, `trust`,
says for both which certificates of a server are good.
"""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from holdfast.kube.errors import KubeError

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, repr=False)
class Credentials:
    """What another HTTP client needs. Holds a token: never printed (no repr)."""

    server: str
    ca_file: str | None
    verify: bool
    token: str | None
    cert_file: str | None
    key_file: str | None
    proxy: str | None


async def configure(kubeconfig: Path | None = None, context: str | None = None) -> Configuration:
    """Read the configuration: of the Pod, unless a file or a context is named or the process runs in no Pod.

    Raises KubeError when there is none or it cannot be read.
    """
    configuration = Configuration()
    # Proxies of the environment are for databases and stores; a kubeconfig's own proxy-url is still used.
    configuration.client_session_kwargs = {"trust_env": False}
    try:
        if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            load_incluster_config(client_configuration=configuration)
        else:
            file = str(kubeconfig) if kubeconfig else None
            await load_kube_config(file, context, client_configuration=configuration, persist_config=False)
    except (ConfigException, OSError, yaml.YAMLError) as error:
        raise KubeError(f"no access to a cluster: {error}") from error
    return configuration


async def credentials(configuration: Configuration) -> Credentials:
    """Return the credentials as they are now; a ServiceAccount's token is read again when it is old."""
    header = await configuration.get_api_key_with_prefix("BearerToken")
    return Credentials(
        server=configuration.host,
        ca_file=configuration.ssl_ca_cert,
        verify=configuration.verify_ssl,
        token=header.split(" ", 1)[-1].strip() if header else None,
        cert_file=configuration.cert_file,
        key_file=configuration.key_file,
        proxy=configuration.proxy,
    )


def trust(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let the context take the certificates that kubectl and Go take; return it.

    From Python 3.13 on, its default is to refuse any certificate that is not formed as RFC 5280 asks: without key
    identifiers, with basicConstraints that are not critical, and the like. Many clusters have such a CA. And what is
    in the CA's file is trusted though it is no root, as in Go. Chain, signature, time, purpose and name are checked.
    """
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def own_namespace() -> str | None:
    """Return the namespace of the Pod that this process runs in; None outside a cluster."""
    return NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.exists() else None
