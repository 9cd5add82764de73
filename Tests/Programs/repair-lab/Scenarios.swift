// What the lab can show, by name. A scenario throws what it found wrong.

import Glibc
import Linux
import RepairHelper

struct Scenario: Sendable {
    let name: String
    let run: @Sendable () throws -> Void

    static let all: [Scenario] = moves + variants + crowds + failures + helper + silence + sandbox

    /// Every state, with nothing and with something in each queue.
    private static let moves: [Scenario] = MovableState.allCases.flatMap { state in
        Family.allCases.flatMap { family in
            [0, 1, 3000].map { count in
                Scenario(name: "\(state)-\(family.rawValue)-\(count)") {
                    let canWaitForAck = state != .finWait2
                    try moveOne(
                        Situation(
                            family: family, state: state, unread: count, unacknowledged: canWaitForAck ? count : 0))
                }
            }
        }
    }

    private static let variants: [Scenario] = [
        Scenario(name: "zero-window") { try moveOne(Situation(unread: 10_000, fillsWindow: true)) },
        Scenario(name: "fin-wait-1-behind-zero-window") {
            try moveOne(Situation(state: .finWait1, unread: 10, fillsWindow: true))
        },
        Scenario(name: "no-window-scale") {
            try moveOne(Situation(unread: 5000) { $0.windowScale == nil }, [("ipv4/tcp_window_scaling", "0")])
        },
        Scenario(name: "window-scale-0") {
            // A buffer of a fixed size below 64 KiB needs no shift.
            try moveOne(Situation(unread: 5000, receiveBuffer: 16_384) { $0.windowScale == .init(send: 0, receive: 0) })
        },
        Scenario(name: "window-scale-14") {
            try moveOne(
                Situation(unread: 5000) { $0.windowScale == .init(send: 14, receive: 14) },
                [("ipv4/tcp_rmem", "4096 131072 1073741824")])
        },
        Scenario(name: "no-sack") {
            try moveOne(Situation(unread: 5000) { !$0.isSACKPermitted }, [("ipv4/tcp_sack", "0")])
        },
        Scenario(name: "no-timestamps") {
            try moveOne(Situation(unread: 5000) { $0.timestamp == nil }, [("ipv4/tcp_timestamps", "0")])
        },
        Scenario(name: "there-and-back-ten-times") { try moveOne(Situation(unread: 4000, moves: 10)) },
        Scenario(name: "sequence-wrap") { try sequenceWrap() },
    ]

    private static let crowds: [Scenario] = [
        Scenario(name: "thousand-flows") { try thousandFlows() }
    ]

    private static let failures: [Scenario] = [
        Scenario(name: "rollback") { try rollback() },
        Scenario(name: "dropped-while-frozen") { try droppedWhileFrozen() },
        Scenario(name: "restore-without-address") { try restoreWithoutAddress() },
    ]
}

private func moveOne(_ situation: Situation, _ settings: [(String, String)] = []) throws {
    let network = try Network(settings: settings)
    try network.peer.enter()
    let capture = try Capture()
    var mover = try Mover(network, situation, port: 7000)
    try mover.run()
    usleep(50_000)
    let seen = capture.count()
    try require(seen.resets == 0, "\(seen.resets) RST on the wire")
    try require(seen.fins == 2, "\(seen.fins) ends sent FIN instead of 2")
}

/// A connection that is put up from nothing on both sides, 16 bytes before the sequence numbers wrap.
private func sequenceWrap() throws {
    let network = try Network()
    guard let local = Family.v4.address(placeAddress, port: 40_000),
        let remote = Family.v4.address(peerAddress, port: 7000)
    else { throw LabFailure("address") }
    func half(_ local: InternetSocketAddress, _ remote: InternetSocketAddress) -> TCPSocketState {
        let window = RepairWindow(
            lastUpdateSequence: 0xffff_fff0, send: 64_000, sendMaximum: 64_000, receive: 64_000,
            receiveLastUpdate: 0xffff_fff0)
        var state = TCPSocketState(local: local, remote: remote, state: .established, window: window)
        state.sendSequence = 0xffff_fff0
        state.receiveSequence = 0xffff_fff0
        state.maximumSegmentSize = 1460
        state.windowScale = .init(send: 7, receive: 7)
        return state
    }
    try network.peer.enter()
    let far = try RestoredSocket.restore(half(remote, local)).resume { _ in }
    try RepairOption(far.descriptor.raw).set(.offWithoutProbe)
    try network.place.enter()
    let near = try RestoredSocket.restore(half(local, remote)).resume()
    try writeAll(far.descriptor.raw, pattern(0..<100))
    try eventually("100 unread") { try RepairOption(near.descriptor.raw).queueLengths().unread == 100 }
    let frozen = try FrozenSocket(near.descriptor.duplicate())
    let state = try frozen.dump()
    try require(state.receiveSequence == 0xffff_fff0, "receive sequence \(state.receiveSequence)")
    let restored = try network.move { try RestoredSocket.restore(state) }
    try frozen.letGo()
    let live = try restored.resume()
    try require(try readExactly(live.descriptor.raw, 100) == pattern(0..<100), "downstream differs")
    try writeAll(live.descriptor.raw, pattern(0..<5000))
    try require(try readExactly(far.descriptor.raw, 5000) == pattern(0..<5000), "upstream differs")
}

private func thousandFlows() throws {
    let network = try Network(settings: [("ipv4/tcp_max_syn_backlog", "4096")])
    var near: [SharedDescriptor] = []
    var far: [SharedDescriptor] = []
    for index in 0..<1000 {
        let (a, b) = try connectPair(network, index % 3 == 0 ? .v6 : .v4, port: UInt16(7000 + index % 8))
        try writeAll(b.raw, pattern(index..<index + 40))
        near.append(a)
        far.append(b)
    }
    var states: [TCPSocketState] = []
    for fd in near {
        try RepairOption(fd.raw).set(.on)
        states.append(try TCPSocketState.dump(fd.raw))
    }
    let moved = try network.move {
        try states.map { SharedDescriptor(try RestoredSocket.restore($0).resume().take()) }
    }
    for socket in near { try RepairOption(socket.raw).disconnect() }
    near = moved
    for index in near.indices {
        try require(try readExactly(near[index].raw, 40) == pattern(index..<index + 40), "flow \(index) differs")
        try writeAll(near[index].raw, pattern(index..<index + 50))
        try require(
            try readExactly(far[index].raw, 50) == pattern(index..<index + 50), "flow \(index) differs upstream")
    }
    // So many frames may be more than a capture's buffer; the kernels' own count misses none.
    for space in [network.peer, network.a, network.b] {
        try space.enter()
        try require(sentResets() == 0, "\(sentResets().map(String.init) ?? "?") RST sent by \(space.name)")
    }
}

/// OutRsts of the current namespace (RFC 2012, by /proc/net/snmp).
private func sentResets() -> Int? {
    let lines = procFile(getpid(), "net/snmp").split(separator: "\n").filter { $0.hasPrefix("Tcp:") }
    guard lines.count == 2 else { return nil }
    return zip(lines[0].split(separator: " "), lines[1].split(separator: " ")).first { $0.0 == "OutRsts" }
        .flatMap { Int($0.1) }
}

/// A move that is called off: the socket goes on where it was.
private func rollback() throws {
    let network = try Network()
    let (near, far) = try connectPair(network, .v4, port: 7000)
    try writeAll(far.raw, pattern(0..<10))
    try eventually("unread") { try RepairOption(near.raw).queueLengths().unread == 10 }
    let frozen = try FrozenSocket(near.descriptor.duplicate())
    _ = try frozen.dump()
    try writeAll(far.raw, pattern(10..<20))  // arrives while frozen, is dropped, and is sent again
    let thawed = try frozen.thaw()
    try require(try readExactly(thawed.raw, 20) == pattern(0..<20), "downstream differs")
    try writeAll(thawed.raw, pattern(0..<10))
    try require(try readExactly(far.raw, 10) == pattern(0..<10), "upstream differs")
}

/// Whatever happens to a frozen socket, the peer hears nothing of it.
private func droppedWhileFrozen() throws {
    let network = try Network()
    try network.peer.enter()
    let capture = try Capture()
    let far = try connectAndDropFrozen(network)
    usleep(100_000)
    let seen = capture.count()
    try require(seen == (0, 0), "\(seen.resets) RST and \(seen.fins) FIN on the wire")
    try require(try tcpState(far.raw) == 1, "the peer's end has left ESTABLISHED")
}

/// The peer's end of a connection whose other end was frozen and is closed with this call.
private func connectAndDropFrozen(_ network: Network) throws -> SharedDescriptor {
    let (near, far) = try connectPair(network, .v4, port: 7000)
    _ = try FrozenSocket(near.descriptor.duplicate())
    return far
}

private func restoreWithoutAddress() throws {
    let network = try Network()
    let (near, _) = try connectPair(network, .v4, port: 7000)
    let frozen = try FrozenSocket(near.descriptor.duplicate())
    let state = try frozen.dump()
    try network.b.enter()
    let failure = restoreFailure(state)
    try require(
        failure == .system(SystemError(call: "bind", code: EADDRNOTAVAIL, subject: "\(state.local)")),
        "\(failure as Any)")
}

private func restoreFailure(_ state: TCPSocketState) -> TCPSocketStateError? {
    do { _ = try RestoredSocket.restore(state) } catch { return error }
    return nil
}
