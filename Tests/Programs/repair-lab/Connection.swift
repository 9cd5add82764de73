// Sockets of the lab: made in the current namespace, used with deadlines.

import CLinux
import Glibc
import Linux

enum Family: String, CaseIterable {
    case v4, v6, mapped

    func address(_ text: (v4: String, v6: String), port: UInt16) -> InternetSocketAddress? {
        switch self {
        case .v4: InternetSocketAddress(text.v4, port: port)
        case .v6: InternetSocketAddress(text.v6, port: port)
        case .mapped: InternetSocketAddress("::ffff:" + text.v4, port: port)
        }
    }
}

let placeAddress = (v4: "10.1.0.1", v6: "fd00:1::1")
let peerAddress = (v4: "10.1.0.2", v6: "fd00:1::2")

/// A non-blocking TCP socket.
func tcpSocket(_ family: CInt) throws -> SharedDescriptor {
    let fd = socket(family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    try require(fd >= 0, "socket: errno \(errno)")
    return SharedDescriptor(FileDescriptor(owning: fd))
}

/// Waits up to twenty seconds for `events`.
func ready(_ fd: CInt, _ events: Int32) -> Bool {
    var wait = pollfd(fd: fd, events: Int16(events), revents: 0)
    return poll(&wait, 1, 20_000) == 1
}

/// Listens at an address of the namespace that was entered last, also beside connections of that port.
func listener(at address: InternetSocketAddress, receiveBuffer: CInt? = nil) throws -> SharedDescriptor {
    let listener = try tcpSocket(address.family)
    var one: CInt = 1
    setsockopt(listener.raw, SOL_SOCKET, SO_REUSEADDR, &one, 4)
    if var receiveBuffer { setsockopt(listener.raw, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
    try require(address.withSockAddr { bind(listener.raw, $0, $1) } == 0, "bind \(address): errno \(errno)")
    try require(listen(listener.raw, 16) == 0, "listen")
    return listener
}

/// A connection that came in through a listener of the place, and that listener; the peer's end. The place is entered.
func servedPair(
    _ network: Network, _ family: Family, port: UInt16
) throws -> ((socket: SharedDescriptor, listener: SharedDescriptor?), SharedDescriptor) {
    guard let address = family.address(placeAddress, port: port) else { throw LabFailure("address") }
    try network.place.enter()
    let listener = try listener(at: address)
    try network.peer.enter()
    let far = try tcpSocket(address.family)
    _ = address.withSockAddr { connect(far.raw, $0, $1) }
    try require(ready(listener.raw, POLLIN), "no connection to \(address)")
    try network.place.enter()
    let near = SharedDescriptor(FileDescriptor(owning: try check(ne_accept(listener.raw), "accept")))
    return ((near, listener), far)
}

/// Both ends of a connection from the place to the peer: (mover, peer).
func connectPair(
    _ network: Network, _ family: Family, port: UInt16, receiveBuffer: CInt? = nil
) throws -> (SharedDescriptor, SharedDescriptor) {
    guard let server = family.address(peerAddress, port: port) else { throw LabFailure("address") }
    try network.peer.enter()
    let listener = try listener(at: server, receiveBuffer: receiveBuffer)
    try network.place.enter()
    let mover = try tcpSocket(server.family)
    if var receiveBuffer { setsockopt(mover.raw, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
    _ = server.withSockAddr { connect(mover.raw, $0, $1) }
    try require(ready(listener.raw, POLLIN), "no connection to \(server)")
    let peer = SharedDescriptor(FileDescriptor(owning: try check(ne_accept(listener.raw), "accept")))
    try require(ready(mover.raw, POLLOUT), "not connected")
    return (mover, peer)
}

/// A recognisable stream: byte `index` of it.
func pattern(_ range: Range<Int>) -> [UInt8] { range.map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

/// Writes all of `bytes` within twenty seconds of progress.
func writeAll(_ fd: CInt, _ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
        let n = rest.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, 0x4000) }
        if n > 0 {
            rest = rest.dropFirst(n)
        } else {
            try require(n < 0 && errno == EAGAIN, "send: errno \(errno) after \(bytes.count - rest.count)")
            try require(ready(fd, POLLOUT), "send stalls after \(bytes.count - rest.count) of \(bytes.count)")
        }
    }
}

/// Writes as much as the socket takes at once.
func writeSome(_ fd: CInt, _ bytes: [UInt8]) -> Int {
    max(0, bytes.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, 0x4000) })
}

/// Reads exactly `count` bytes.
func readExactly(_ fd: CInt, _ count: Int) throws -> [UInt8] {
    var got: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 1 << 16)
    while got.count < count {
        let n = recv(fd, &room, min(room.count, count - got.count), 0)
        if n > 0 {
            got += room[0..<n]
        } else {
            try require(n != 0, "end of stream after \(got.count) of \(count) bytes")
            try require(errno == EAGAIN, "recv: errno \(errno) after \(got.count) of \(count)")
            try require(ready(fd, POLLIN), "recv stalls after \(got.count) of \(count)")
        }
    }
    return got
}

/// Requires the end of the stream, and nothing before it.
func readEnd(_ fd: CInt) throws {
    var byte: UInt8 = 0
    try require(ready(fd, POLLIN), "the stream does not end")
    let n = recv(fd, &byte, 1, 0)
    try require(n == 0, n > 0 ? "a byte too many" : "recv: errno \(errno) instead of the end")
}

/// Repeats `condition` for up to twenty seconds.
func eventually(_ text: String, _ condition: () throws -> Bool) throws {
    for _ in 0..<2000 {
        if try condition() { return }
        usleep(10_000)
    }
    throw LabFailure("never: \(text)")
}

func tcpState(_ fd: CInt) throws -> UInt8 { try RepairOption(fd).info().tcpi_state }
