"""A program that joins its standard input and output to a Unix socket: what git runs in place of ssh (see push.py).

It imports nothing of xenci, so that it starts at once: `python -I pipe.py SOCKET [arguments that are not looked at]`.
"""

import os
import socket
import sys
import threading


def join(path: str) -> None:
    """Copy both ways until the socket's other end has said all."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        threading.Thread(target=_send, args=(connection,), daemon=True).start()
        while data := connection.recv(65536):
            while data:
                data = data[os.write(1, data) :]


def _send(connection: socket.socket) -> None:
    while data := os.read(0, 65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    join(sys.argv[1])
