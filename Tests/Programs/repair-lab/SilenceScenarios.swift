// A connection in repair mode takes nothing: what its peer sends then is neither acknowledged nor lost, it is sent again.

import Glibc
import Linux
import RepairHelper

extension Scenario {
    static let silence: [Scenario] = [
        Scenario(name: "helper-takes-nothing-of-a-silent-connection") { try throughHelper() },
        Scenario(name: "helper-makes-room-for-a-send-queue") { try roomForQueue() },
        Scenario(name: "helper-makes-no-buffer-smaller") { try roomStays() },
        Scenario(name: "frozen-takes-nothing") { try frozen() },
        Scenario(name: "frozen-and-refused-hears-on") { try refused() },
    ]
}

/// Long enough for a kernel that would take a segment of the same host.
private let moment: UInt32 = 100_000

/// `far` has sent 3,000 bytes: `near` has none of them, and none is acknowledged.
private func requireNothingTaken(_ near: CInt, _ far: CInt) throws {
    try writeAll(far, pattern(0..<3000))
    usleep(moment)
    try require(try RepairOption(near).queueLengths().unread == 0, "taken while silent")
    try require(try RepairOption(far).queueLengths().unacknowledged == 3000, "acknowledged while silent")
}

private func throughHelper() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        try require(try server.request(.on, [flow.near.raw]) == .done, "not switched on")
        try requireNothingTaken(flow.near.raw, flow.far.raw)
        try require(try server.request(.off, [flow.near.raw]) == .done, "not switched off")
        server.server.closeHelper()
        try require(try helper.wait() == 0, helper.words)
    }
    try require(try readExactly(flow.near.raw, 3000) == pattern(0..<3000), "what was sent meanwhile differs")
    try exchange(flow.near, flow.far, 1)
}

/// A fresh socket takes 200 KB of a send queue that was under way, which its own buffer would not.
private func roomForQueue() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    let fresh = try tcpSocket(AF_INET)
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        try require(try server.request(.on, [fresh.raw]) == .done, "not switched on")
        let ends = try InternetSocketAddress.remote(of: flow.near.raw)
        try require(ends.withSockAddr { connect(fresh.raw, $0, $1) } == 0, "connect: errno \(errno)")
        try RepairOption(fresh.raw).select(.send)
        var done = 0
        while done < 200_000 {
            let taken = writeSome(fresh.raw, pattern(done..<done + 1000))
            try require(taken > 0, "send queue: errno \(errno) after \(done) bytes")
            done += taken
        }
        server.server.closeHelper()
        try require(try helper.wait() == 0, helper.words)
    }
}

/// Where the namespace's own sockets have more than SO_SNDBUF would give, they keep it.
private func roomStays() throws {
    let network = try Network(settings: [("ipv4/tcp_wmem", "4096 6000000 8000000")])
    try network.place.enter()
    let fresh = try tcpSocket(AF_INET)
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        try require(try server.request(.on, [fresh.raw]) == .done, "not switched on")
        var size: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(fresh.raw, SOL_SOCKET, SO_SNDBUF, &size, &length)
        try require(size >= 6_000_000, "made smaller: \(size)")
        server.server.closeHelper()
        try require(try helper.wait() == 0, helper.words)
    }
}

private func frozen() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    let frozen = try FrozenSocket(FileDescriptor(owning: try check(dup(flow.near.raw), "dup")))
    try requireNothingTaken(frozen.raw, flow.far.raw)
    try require(try frozen.dump().receiveQueue.isEmpty, "dumped what was sent meanwhile")
    let near = SharedDescriptor(try frozen.thaw())
    try require(try readExactly(near.raw, 3000) == pattern(0..<3000), "what was sent meanwhile differs")
    try exchange(near, flow.far, 1)
}

private func refused() throws {
    let network = try Network()
    let flow = try pairs(network, 1)[0]
    let copy = FileDescriptor(owning: try check(dup(flow.near.raw), "dup"))
    do {
        _ = try FrozenSocket(copy) { (_) throws(SystemError) in throw SystemError(call: "TCP_REPAIR", code: EPERM) }
        throw LabFailure("a switch that fails was not told")
    } catch is TCPSocketStateError {}
    try exchange(flow.near, flow.far, 1)
}
