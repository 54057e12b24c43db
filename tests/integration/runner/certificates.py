"""Certificates of an authority that nobody else knows."""

import subprocess
from pathlib import Path

KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


def certificate(folder: Path, name: str) -> None:
    """Make a certificate authority and a server's certificate for `name`."""
    for command in (
        f"req -x509 {KEY} -keyout ca.key -out ca.crt -days 2 -subj /CN=it-ca",
        f"req {KEY} -keyout tls.key -out tls.csr -subj /CN={name}",
        "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out tls.crt -days 2 -extfile san.ext",
    ):
        (folder / "san.ext").write_text(f"subjectAltName=DNS:{name}\n")
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    for file in folder.iterdir():
        file.chmod(0o644)
