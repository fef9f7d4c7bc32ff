"""The cryptography that is offered: modern, uncompressed, the fastest first. One place, so that it can be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asyncssh import SSHKey, SSHKeyPair, load_keypairs
from asyncssh.kex import get_default_kex_algs

# Measured on one core, OpenSSH client: aes128-gcm 205-352 MB/s, chacha20 158-287 MB/s.
ENCRYPTION = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
MAC = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
SIGNATURE = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
# A few compressed bytes can inflate to hundreds of MiB before anybody has logged in.
COMPRESSION = ("none",)

_KEX = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)


def key_exchange() -> tuple[str, ...]:
    """Return the key exchanges that this machine's OpenSSL can do."""
    available = {name.decode() for name in get_default_kex_algs()}
    return tuple(name for name in _KEX if name in available)


def host_keys(keys: Sequence[SSHKey | Path]) -> list[SSHKeyPair]:
    """Load host keys, RSA ones without their SHA-1 signatures."""
    pairs = list(load_keypairs([str(key) if isinstance(key, Path) else key for key in keys]))
    modern = {name.encode() for name in SIGNATURE}
    for pair in pairs:
        pair.host_key_algorithms = [name for name in pair.host_key_algorithms if name in modern]
    return pairs
