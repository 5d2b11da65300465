"""A process without a network: every host name leads to one port on loopback, and no other address can be reached.

Names are answered before any resolver sees them. Connections are refused twice: in Python's socket class, which is what
libraries use, before a name in the address is looked up; and below it by an audit hook, which sees every connection
that this process makes, whoever asks for it. None of this can be undone.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import Any

LOOPBACK = "127.0.0.1"

_METHODS = ("connect", "connect_ex", "sendto")
_OUTWARD = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")


def confine(port: int, refused: Callable[[str], None]) -> None:
    """Confine this process for good. `refused` is told each address that something tried to reach."""

    def answer(_host: object, _port: object, *_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (LOOPBACK, port))]

    def check(address: object) -> None:
        if not _stays(address):
            refused(_shown(address))
            raise PermissionError(f"amlready plan reaches nothing outside this machine: {_shown(address)}")

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in _OUTWARD:
            check(arguments[-1])
        elif event in _LOOKUPS:
            refused(_shown(arguments[0]))
            raise PermissionError(f"amlready plan asks no name server: {_shown(arguments[0])}")

    socket.getaddrinfo = answer  # type: ignore[assignment]
    for name in _METHODS:
        setattr(socket.socket, name, _checked(getattr(socket.socket, name), check))
    sys.addaudithook(watch)


def _checked(method: Callable[..., Any], check: Callable[[object], None]) -> Callable[..., Any]:
    """A method of sockets whose last argument is an address."""

    def checked(self: socket.socket, *arguments: Any) -> Any:
        check(arguments[-1])
        return method(self, *arguments)

    return checked


def _stays(address: object) -> bool:
    """Whether an address is on this machine; None is a connection that was let through before."""
    match address:
        case None | str() | bytes():  # a socket in the file system
            return True
        case (str(host), *_):
            try:
                return ipaddress.ip_address(host).is_loopback
            except ValueError:
                return False
        case _:
            return False


def _shown(address: object) -> str:
    match address:
        case (host, port, *_):
            return f"{host}:{port}"
        case _:
            return str(address)
