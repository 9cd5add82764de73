// What netemu-repair promises, shown with real sockets.

import Bytes
import CLinux
import Glibc
import Linux
import RepairHelper

extension Scenario {
    static let helper: [Scenario] = helperSessions + helperLife

    private static let helperSessions: [Scenario] =
        [1, 20, 500].map { count in
            Scenario(name: "same-host-\(count)") { try sameHost(count: count, releases: true) }
        } + [
            Scenario(name: "same-host-peer-speaks-between-release-and-restore") { try speaksInBetween() }
        ]
        + Family.allCases.map { family in
            Scenario(name: "same-host-peer-speaks-to-the-next-listener-\(family)") { try speaksToListener(family) }
        } + [
            Scenario(name: "same-host-destination-waits-for-the-release") { try destinationWaits() },
            Scenario(name: "same-host-strangers-sockets-delay-nobody") { try strangers() },
            Scenario(name: "same-host-a-hold-that-never-ends-delays-once") { try endlessHold() },
            Scenario(name: "helper-listens-nowhere-where-somebody-listens") { try disturbsNoListener() },
            Scenario(name: "same-host-no-release") { try sameHost(count: 3, releases: false) },
            Scenario(name: "helper-off-leaves-sockets-alone") { try switchedOffAgain() },
            Scenario(name: "helper-batch-all-or-nothing") { try allOrNothing() },
            Scenario(name: "helper-batch-is-switched-back-to-what-it-was") { try backToWhatItWas() },
            Scenario(name: "helper-hostile-peers") { try hostilePeers() },
            Scenario(name: "helper-253-descriptors-and-never-254") { try fullBatch() },
            Scenario(name: "helper-peer-that-stalls") { try stallingPeer() },
            Scenario(name: "helper-peer-that-never-reads") { try deafPeer() },
            Scenario(name: "helper-peer-that-dies-after-each-byte") { try dyingPeer() },
            Scenario(name: "helper-keeps-one-capability") { try oneCapability() },
            Scenario(name: "server-without-a-descriptor") { try fullServer() },
        ]
}

func withScratch(_ body: (String) throws -> Void) throws {
    let path = try scratchDirectory()
    defer { removeDirectory(path) }
    try body(path)
}

/// Connections of one namespace, both ends in it.
func pairs(_ network: Network, _ count: Int) throws -> [(near: SharedDescriptor, far: SharedDescriptor)] {
    try (0..<count).map { try connectPair(network, .v4, port: UInt16(7000 + $0 % 16)) }
}

func exchange(_ near: SharedDescriptor, _ far: SharedDescriptor, _ seed: Int) throws {
    try writeAll(far.raw, pattern(seed..<seed + 100))
    try require(try readExactly(near.raw, 100) == pattern(seed..<seed + 100), "downstream \(seed) differs")
    try writeAll(near.raw, pattern(seed..<seed + 100))
    try require(try readExactly(far.raw, 100) == pattern(seed..<seed + 100), "upstream \(seed) differs")
}

/// net.rst's session on one host: the source keeps its sockets open, the destination has the same addresses.
private func sameHost(count: Int, releases: Bool) throws {
    let network = try Network()
    let flows = try pairs(network, count)
    try withScratch { scratch in
        let server = try Server(scratch + "/source.repair")
        let helper = try Helper((releases ? [] : ["--no-release"]) + [server.path])
        try server.awaitHelper()
        let outcome = try server.request(.on, flows.map(\.near.raw))
        try require(outcome == .done, "\(outcome)")
        let states = try flows.map { try TCPSocketState.dump($0.near.raw) }
        server.server.closeHelper()
        try require(try helper.wait() == 0, "helper: \(helper.words)")
        if releases {
            try require(
                helper.words.contains("\(count) given, \(count) switched, \(count) released, 0 failed"), helper.words)
        }
        for (index, state) in states.enumerated() {
            let failure = try restoreAndCheck(state, flows[index].far, index)
            if releases { try require(failure == nil, "flow \(index): \(String(describing: failure))") }
            if !releases { try require(failure != nil, "restored beside its own ghost") }
        }
    }
}

/// Story: on a busy host an echo's answer came when the source had let its connections go and the destination had not
/// put them up; the kernel answered it with RST, and one of 40 connections was lost.
private func speaksInBetween() throws {
    let network = try Network()
    let flows = try pairs(network, 20)
    try withScratch { scratch in
        let server = try Server(scratch + "/source.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        try require(try server.request(.on, flows.map(\.near.raw)) == .done, helper.words)
        let states = try flows.map { try TCPSocketState.dump($0.near.raw) }
        server.server.closeHelper()
        try eventually("20 released") { helper.words.contains("20 released") }
        for (index, flow) in flows.enumerated() { try writeAll(flow.far.raw, pattern(index..<index + 50)) }
        let live = try states.map { SharedDescriptor(try RestoredSocket.restore($0).resume().take()) }
        for (index, socket) in live.enumerated() {
            try require(try tcpState(flows[index].far.raw) == 1, "flow \(index): reset in between")
            try require(try readExactly(socket.raw, 50) == pattern(index..<index + 50), "flow \(index) differs")
            try exchange(socket, flows[index].far, index)
        }
        try require(try helper.wait() == 0, helper.words)
    }
}

/// Story: a connection that came in through a forwarded port had no silent port, for the destination listens there itself,
/// and that listener answered a peer that spoke before the connection was put up with RST.
private func speaksToListener(_ family: Family) throws {
    let network = try Network()
    try withScratch { scratch in
        let server = try Server(scratch + "/source.repair")
        let helper = try Helper([server.path])
        var (near, far) = try servedPair(network, family, port: 8080)
        try server.awaitHelper()
        try require(try server.request(.on, [near.socket.raw]) == .done, helper.words)
        let state = try TCPSocketState.dump(near.socket.raw)
        server.server.closeHelper()
        try eventually("released") { helper.words.contains("1 released") }
        near.listener = nil
        near.listener = try listener(at: state.local)
        try writeAll(far.raw, pattern(0..<50))
        usleep(300_000)
        try require(try tcpState(far.raw) == 1, "reset by the next listener")
        let live = SharedDescriptor(try RestoredSocket.restore(state).resume().take())
        try require(try readExactly(live.raw, 50) == pattern(0..<50), "what was sent meanwhile differs")
        try exchange(live, far, 1)
        try require(try helper.wait() == 0, helper.words)
        try exchange(live, far, 2)
        try require(try tcpState(near.socket.raw) == 7, "the former socket is not ended")
    }
}

/// Story: a busy host gave the source's helper no turn between the end of the save and the destination's connect(), and
/// 19 of 20 connections were lost to "Cannot assign requested address". The destination's helper waits now.
private func destinationWaits() throws {
    let network = try Network()
    let flows = try pairs(network, 2)
    try withScratch { scratch in
        let source = try Server(scratch + "/source.repair")
        let destination = try Server(scratch + "/destination.repair")
        let (first, second) = (try Helper([source.path]), try Helper([destination.path]))
        try source.awaitHelper()
        try destination.awaitHelper()
        try require(try source.request(.on, flows.map(\.near.raw)) == .done, first.words)
        let fresh = try tcpSocket(AF_INET)
        var outcome: RepairServerMachine.Outcome?
        try require(destination.server.request(.on, [fresh.raw]) { outcome = $0 }, "a request is under way")
        for _ in 0..<30 { try destination.reactor.turn(maxWaitNanoseconds: 10_000_000) }
        try require(outcome == nil, "answered while the source holds its connections: \(String(describing: outcome))")
        source.server.closeHelper()
        for _ in 0..<2000 where outcome == nil { try destination.reactor.turn(maxWaitNanoseconds: 10_000_000) }
        try require(outcome == .done, "\(String(describing: outcome)): \(second.words)")
        try require(try first.wait() == 0, first.words)
        try require(first.words.contains("2 released"), first.words)
    }
}

/// Story: whoever took the abstract names that helpers met by cost 2 s for each batch of sockets: 130 s for a thousand.
private func strangers() throws {
    let network = try Network()
    let flows = try pairs(network, 3)
    let squatters = try (0..<16).flatMap { number in
        try ["netemu-repair.", "netemu-repair.to."].map {
            SharedDescriptor(try UnixSocket.listen(atAbstract: $0 + String(number)))
        }
    }
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair", patience: .seconds(8))
        let helper = try Helper([server.path])
        try server.awaitHelper()
        let start = ne_monotonic_ns()
        for _ in 0..<60 {
            let fresh = try (0..<16).map { _ in try tcpSocket(AF_INET) }
            try require(try server.request(.on, fresh.map(\.raw)) == .done, helper.words)
            try require(try server.request(.off, fresh.map(\.raw)) == .done, helper.words)
        }
        try require(try server.request(.on, flows.map(\.near.raw)) == .done, helper.words)
        let states = try flows.map { try TCPSocketState.dump($0.near.raw) }
        server.server.closeHelper()
        try eventually("3 released") { helper.words.contains("3 released") }
        for (index, state) in states.enumerated() {
            try require(try restoreAndCheck(state, flows[index].far, index) == nil, "flow \(index)")
        }
        try require(try helper.wait() == 0, helper.words)
        try require(ne_monotonic_ns() - start < 30_000_000_000, "delayed by strangers")
    }
    _ = squatters
}

/// Connections whose holder never lets go: a destination waits for them once, and goes on.
private func endlessHold() throws {
    let network = try Network()
    let flows = try pairs(network, 2)
    try withScratch { scratch in
        let source = try Server(scratch + "/source.repair", patience: .seconds(60))
        let destination = try Server(scratch + "/destination.repair", patience: .seconds(60))
        let (first, second) = (try Helper([source.path]), try Helper([destination.path]))
        try source.awaitHelper()
        try destination.awaitHelper()
        try require(try source.request(.on, flows.map(\.near.raw)) == .done, first.words)
        let start = ne_monotonic_ns()
        for _ in 0..<20 {
            let fresh = try tcpSocket(AF_INET)
            try require(try destination.request(.on, [fresh.raw]) == .done, second.words)
        }
        try require(ne_monotonic_ns() - start < 35_000_000_000, "waited for each")
        try require(try source.request(.off, flows.map(\.near.raw)) == .done, first.words)
        for flow in flows { try require(try markOf(flow.near.raw) == 0, "the mark stays") }
    }
    for (index, flow) in flows.enumerated() { try exchange(flow.near, flow.far, index) }
}

private func markOf(_ fd: CInt) throws -> CInt {
    var mark: CInt = -1
    var size = socklen_t(MemoryLayout<CInt>.size)
    try require(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size) == 0, "SO_MARK: errno \(errno)")
    return mark
}

/// Story: repair mode lets a socket be bound to any port that is in use; a server handed such sockets over, and at the end
/// the helper listened there, silently, beside somebody else's server, whose clients were not answered for two seconds.
private func disturbsNoListener() throws {
    let network = try Network()
    for isConnected in [false, true] {
        try network.place.enter()
        guard let address = InternetSocketAddress(placeAddress.v4, port: 8080),
            let remote = InternetSocketAddress(peerAddress.v4, port: 9)
        else { throw LabFailure("address") }
        let victim = try tcpSocket(AF_INET)
        var one: CInt = 1
        setsockopt(victim.raw, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        try require(address.withSockAddr { bind(victim.raw, $0, $1) } == 0 && listen(victim.raw, 8) == 0, "listen")
        try withScratch { scratch in
            let server = try Server(scratch + "/x.repair")
            let helper = try Helper([server.path])
            try server.awaitHelper()
            let intruder = try tcpSocket(AF_INET)
            try require(try server.request(.on, [intruder.raw]) == .done, helper.words)
            try require(address.withSockAddr { bind(intruder.raw, $0, $1) } == 0, "bind: errno \(errno)")
            if isConnected {
                try require(remote.withSockAddr { connect(intruder.raw, $0, $1) } == 0, "connect: errno \(errno)")
            }
            server.server.closeHelper()
            try eventually("released") { helper.words.contains("1 released") }
            try network.peer.enter()
            let client = try tcpSocket(AF_INET)
            _ = address.withSockAddr { connect(client.raw, $0, $1) }
            var entry = pollfd(fd: victim.raw, events: Int16(POLLIN), revents: 0)
            try require(poll(&entry, 1, 1800) == 1, "connected \(isConnected): the victim's client is not served")
            try require(try helper.wait() == 0, helper.words)
        }
    }
}

private func restoreAndCheck(_ state: TCPSocketState, _ far: SharedDescriptor, _ seed: Int) throws
    -> TCPSocketStateError?
{
    let live: SharedDescriptor
    do { live = SharedDescriptor(try RestoredSocket.restore(state).resume().take()) } catch {
        return error
    }
    try exchange(live, far, seed)
    return nil
}

private func switchedOffAgain() throws {
    let network = try Network()
    let flows = try pairs(network, 5)
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        for command in [RepairCommand.on, .off, .on, .offWithoutProbe] {
            let outcome = try server.request(command, flows.map(\.near.raw))
            try require(outcome == .done, "\(outcome)")
        }
        server.server.closeHelper()
        try require(try helper.wait() == 0, "helper: \(helper.words)")
        try require(helper.words.contains("20 given, 20 switched, 0 released"), helper.words)
    }
    for (index, flow) in flows.enumerated() { try exchange(flow.near, flow.far, index) }
}

private func allOrNothing() throws {
    let network = try Network()
    let flows = try pairs(network, 2)
    let listener = try tcpSocket(AF_INET)
    try require(listen(listener.raw, 1) == 0, "listen")
    try withScratch { scratch in
        let server = try Server(scratch + "/x.repair")
        let helper = try Helper([server.path])
        try server.awaitHelper()
        // A listening socket cannot be repaired (EPERM): the ones before it are switched back.
        let outcome = try server.request(.on, [flows[0].near.raw, flows[1].near.raw, listener.raw])
        try require(outcome == .failed(.helperClosed, stillSwitched: 0), "\(outcome)")
        try require(try helper.wait() == 1, "helper: \(helper.words)")
        try require(helper.words.contains("TCP_REPAIR 1 on socket 2: Operation not permitted"), helper.words)
    }
    for (index, flow) in flows.enumerated() { try exchange(flow.near, flow.far, index) }
}
