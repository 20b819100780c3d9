"""TCP ports on this machine: is the wanted one free, and which others are.

Above: `switchboard up`. Below: sockets.
"""

from __future__ import annotations

import errno
import socket
import sys

from stack.errors import StackError

LOOPBACK = "127.0.0.1"


def require_free(port: int, setting: str) -> None:
    """Raise StackError unless `port` can be listened on; `setting` is the name that chooses another."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server itself will: connections of an earlier run that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as problem:
            reason = "is in use" if problem.errno == errno.EADDRINUSE else f"cannot be used ({problem.strerror})"
            raise StackError(f"port {port} on {LOOPBACK} {reason}; set {setting} to a free port") from None


class PortReservation:
    """Free ports, chosen by the kernel and kept from others for as long as this object is open.

    On Linux a bound socket that does not listen keeps the kernel from handing its port out for outgoing connections,
    and still lets a server with SO_REUSEADDR listen there; so a process finds its own port again after a restart.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def take(self) -> int:
        """Reserve one more port and return it."""
        reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Set after the bind, so that the kernel chooses a port nobody holds, however permissively.
        reservation.bind((LOOPBACK, 0))
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sockets.append(reservation)
        return int(reservation.getsockname()[1])

    def hand_over(self) -> None:
        """Let the servers have their ports: nothing to do on Linux, elsewhere the reservations must go."""
        if sys.platform != "linux":
            self.close()

    def close(self) -> None:
        """Give every port back."""
        for reservation in self._sockets:
            reservation.close()
        self._sockets.clear()
