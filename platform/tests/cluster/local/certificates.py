"""Keys and certificates, made with openssl: the environment has no library for them."""

from dataclasses import dataclass
from pathlib import Path

from cluster.local.commands import run

DAYS = "30"  # a cluster of tests never gets so old, and makes them anew at every start
# Not the machine's own openssl.cnf, which makes every self-signed certificate an authority's.
CONFIGURATION = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = clientAuth, serverAuth
"""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    folder: Path
    name: str

    @property
    def certificate(self) -> Path:
        """The certificate's file."""
        return self.folder / f"{self.name}.crt"

    @property
    def key(self) -> Path:
        """The key's file; openssl lets only its owner read it."""
        return self.folder / f"{self.name}.key"


def authority(folder: Path, name: str) -> Pair:
    """Makes an authority."""
    return _make(Pair(folder, name), f"/CN={name}", "authority", ())


def issue(issuer: Pair, name: str, subject: str, alternatives: tuple[str, ...] = ()) -> Pair:
    """Makes a certificate for a subject such as /O=system:masters/CN=admin and names such as DNS:localhost."""
    signing: tuple[str, ...] = ("-CA", str(issuer.certificate), "-CAkey", str(issuer.key))
    if alternatives:
        signing += ("-addext", f"subjectAltName={','.join(alternatives)}")
    return _make(Pair(issuer.folder, name), subject, "leaf", signing)


def token_key(folder: Path) -> tuple[Path, Path]:
    """Makes the key that signs the tokens of service accounts, and its public half."""
    private, public = folder / "service-accounts.key", folder / "service-accounts.pub"
    # RSA, as kubeadm does: not everything that checks such tokens knows elliptic curves.
    run("openssl", "genrsa", "-out", str(private), "2048")
    run("openssl", "rsa", "-in", str(private), "-pubout", "-out", str(public))
    return private, public


def _make(pair: Pair, subject: str, kind: str, arguments: tuple[str, ...]) -> Pair:
    configuration = pair.folder / "openssl.cnf"
    configuration.write_text(CONFIGURATION)
    run(
        *("openssl", "req", "-x509", "-config", str(configuration), "-extensions", kind),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", DAYS),
        *("-subj", subject, "-keyout", str(pair.key), "-out", str(pair.certificate), *arguments),
    )
    return pair
