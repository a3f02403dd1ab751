#!/usr/bin/env python3
"""idle.py PORT CONNECTIONS: opens so many, has each answer one request, says `ready`, and keeps them until its input ends."""
import resource
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
connections = []
for _ in range(count):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
        sys.exit("a connection was not answered")
    connections.append(connection)
print("ready", flush=True)
sys.stdin.read()
