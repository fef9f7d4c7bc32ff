"""A multi-tenant SFTP drop server: clients upload files, complete ones are handed to an owner.

It knows accounts, virtual trees and a landing callback; it knows nothing of the program that owns it, keeps no
database and imports nothing of it. Read it in this order:

- `owner`: the contract: accounts in, complete files out; `limits` and `event` are the settings and the audit log;
- `server` → `connection` (with `auth`, `startup`) → `channel` → `handler` → `request`: from a TCP connection down
  to one SFTP request;
- `tree` → `inbox`, `shelf`: what a path leads to; `rename` is the inbox's hard part; `name` (text) and `beneath`
  (descriptors) keep every path inside;
- `upload` and `spool`: one upload's life and its bytes; `landing`: the hand-over;
- `algorithm`, `hostkey`: cryptography.
"""

from .event import Event
from .hostkey import HostKey, HostKeyError, ensure_host_keys, read_host_keys
from .limits import Limits
from .owner import Account, Folder, Landed, LandingRefused, Owner, Upload
from .server import Server

__all__ = [
    "Account",
    "Event",
    "Folder",
    "HostKey",
    "HostKeyError",
    "Landed",
    "LandingRefused",
    "Limits",
    "Owner",
    "Server",
    "Upload",
    "ensure_host_keys",
    "read_host_keys",
]
