#!/usr/bin/python3
"""Who is at the other ends of a node's wire, each over the stream socket of a `-netdev stream,server=on`.

usage: wire.py kernel PATH                this namespace's kernel, by a tap: 192.0.2.1; DHCP gives the node 192.0.2.2
       wire.py strangers PATH COUNT       SYNs to port 80 of the node from random addresses, COUNT of them at least
                                          and until standard input ends; what is answered is never read
       wire.py greet COUNT BYTES          connects to port 80 COUNT times, says hello, and demands BYTES of the pattern

`kernel` and `strangers` say "ready" when they are; all say what they did. What is not as it should be ends them.
"""
import fcntl
import random
import select
import socket
import struct
import subprocess
import sys
import termios
import time

KERNEL, NODE = "192.0.2.1", "192.0.2.2"
NODE_MAC, KERNEL_MAC = bytes.fromhex("525400123456"), bytes.fromhex("020000000001")
PORT = 80
PATIENCE = 60


def connect(path):
    """The socket of a listener that may not be there yet."""
    deadline = time.monotonic() + PATIENCE
    while True:
        wire = socket.socket(socket.AF_UNIX)
        try:
            wire.connect(path)
            return wire
        except OSError:
            wire.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def framed(frame):
    """A frame behind its length, as it goes over the socket."""
    return struct.pack(">I", len(frame)) + frame


def checksum(data):
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ethernet_ipv4(source_mac, target_mac, protocol, source, target, payload):
    """A whole frame; the addresses are of four bytes."""
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, source, target)
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return target_mac + source_mac + b"\x08\0" + header + payload


# The kernel.

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def open_tap():
    tap = open("/dev/net/tun", "r+b", buffering=0)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI))
    subprocess.run(["ip", "addr", "add", f"{KERNEL}/24", "dev", "tap0"], check=True)
    subprocess.run(["ip", "link", "set", "tap0", "address", KERNEL_MAC.hex(":"), "up"], check=True)
    return tap


def dhcp_answer(frame):
    """The answer to a DISCOVER or REQUEST in this frame (RFC 2131, table 3), or None."""
    if frame[12:14] != b"\x08\0" or frame[23] != socket.IPPROTO_UDP or frame[36:38] != b"\0\x43":
        return None
    request = frame[42:]
    kind, at = 0, 240
    while at + 1 < len(request) and request[at] != 255:
        if request[at] == 53:
            kind = request[at + 2]
        at += 2 + request[at + 1] if request[at] else 1
    if kind not in (1, 3):
        return None
    own, node = socket.inet_aton(KERNEL), socket.inet_aton(NODE)
    reply = b"\x02\x01\x06\0" + request[4:8] + struct.pack(">HH4x4s", 0, 0x8000, node) + own + bytes(4)
    reply += request[28:44] + bytes(192) + b"\x63\x82\x53\x63" + bytes([53, 1, 2 if kind == 1 else 5, 54, 4]) + own
    reply += b"\x33\x04\0\0\x0e\x10\x01\x04\xff\xff\xff\0\x03\x04" + own + b"\xff"
    # A checksum of 0: none (RFC 768).
    datagram = struct.pack(">HHHH", 67, 68, 8 + len(reply), 0) + reply
    return ethernet_ipv4(KERNEL_MAC, request[28:34], socket.IPPROTO_UDP, own, node, datagram)


def whole_frames(collected):
    """Takes the whole frames off the front of a bytearray."""
    while len(collected) >= 4:
        end = 4 + struct.unpack_from(">I", collected)[0]
        if len(collected) < end:
            return
        yield bytes(collected[4:end])
        del collected[:end]


def kernel(path):
    tap = open_tap()
    wire = connect(path)
    print("ready", flush=True)
    collected = bytearray()
    while True:
        ready, _, _ = select.select([tap, wire], [], [])
        if tap in ready:
            wire.sendall(framed(tap.read(65536)))
        if wire in ready:
            piece = wire.recv(65536)
            if not piece:
                return
            collected += piece
            for frame in whole_frames(collected):
                answer = dhcp_answer(frame)
                if answer:
                    wire.sendall(framed(answer))
                else:
                    tap.write(frame)


# The strangers.


def syn(choice):
    """From anywhere in 198.18.0.0/15, or from an address of the node's own network where nobody is."""
    own_network = choice.randrange(8) == 0
    source = socket.inet_aton(f"192.0.2.{choice.randrange(3, 255)}" if own_network else
                              f"198.{choice.randrange(18, 20)}.{choice.randrange(256)}.{choice.randrange(256)}")
    target = socket.inet_aton(NODE)
    segment = struct.pack(">HHIIBBHHHBBH", choice.randrange(1024, 65536), PORT, choice.randrange(1 << 32), 0, 6 << 4, 2,
                          64240, 0, 0, 2, 4, 1460)
    sum_of = source + target + struct.pack(">HH", socket.IPPROTO_TCP, len(segment)) + segment
    segment = segment[:16] + struct.pack(">H", checksum(sum_of)) + segment[18:]
    return ethernet_ipv4(bytes.fromhex("020000000099"), NODE_MAC, socket.IPPROTO_TCP, source, target, segment)


def unread(wire):
    """Bytes that the other end has not read yet."""
    return struct.unpack("i", fcntl.ioctl(wire, termios.TIOCOUTQ, bytes(4)))[0]


def strangers(path, count):
    wire = connect(path)
    choice = random.Random(1)
    print("ready", flush=True)
    sent = 0
    while sent < count or not select.select([sys.stdin], [], [], 0)[0]:
        wire.sendall(b"".join(framed(syn(choice)) for _ in range(64)))
        sent += 64
        # A hub gives every frame to everybody: what the kernel's end could not take would be lost, its own included. So
        # no more is sent than is read, and there is a pause.
        while unread(wire):
            time.sleep(0.001)
        time.sleep(0.01)
    print(f"sent {sent} SYNs", flush=True)


# The honest peer.


def pattern(count):
    """Little-endian words, each its index times an odd constant: what nc --send-bytes sends."""
    words = (count + 7) // 8
    return struct.pack(f"<{words}Q", *(n * 0x9E3779B97F4A7C15 & (1 << 64) - 1 for n in range(words)))[:count]


def greet(count, size):
    wanted = pattern(size)
    for number in range(count):
        with socket.create_connection((NODE, PORT), timeout=PATIENCE) as peer:
            peer.sendall(f"hello {number}\n".encode())
            peer.shutdown(socket.SHUT_WR)
            with peer.makefile("rb") as file:
                received = file.read()
        if received != wanted:
            sys.exit(f"connection {number}: {len(received)} bytes of {size} came, or other ones")
    print(f"greeted {count} times", flush=True)


def main(words):
    if words[:1] == ["kernel"]:
        kernel(words[1])
    elif words[:1] == ["strangers"]:
        strangers(words[1], int(words[2]))
    elif words[:1] == ["greet"]:
        greet(int(words[1]), int(words[2]))
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
