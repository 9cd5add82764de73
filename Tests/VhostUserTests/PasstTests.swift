// Against the real passt, in a network namespace of its own: the handshake, frames both ways, a stop and a
// start, its death and its standstill.

import Bytes
import CLinux
import Glibc
import Linux
import TestSupport
import Testing
import Virtio

@testable import VhostUser

@Suite("passt", .enabled(if: Peers.passt.isThere, Comment(rawValue: Peers.passt.hint))) struct PasstTests {
    /// passt in a namespace, listening in a directory that goes with the value.
    final class Peer {
        let directory: String
        private let namespace: Namespace
        private(set) var child: Child

        init() throws {
            var template = Array("/tmp/netemu-vhost-user-XXXXXX".utf8CString)
            directory = try required(mkdtemp(&template).map { String(cString: $0) }, "a temporary directory")
            namespace = try Namespace(as: .mapped)
            child = try Peer.start(in: namespace, directory)
        }

        deinit {
            namespace.end()
            for name in ["passt.socket", "passt.socket.repair", "passt.pid"] { unlink(directory + "/" + name) }
            rmdir(directory)
        }

        func restart() throws {
            child.end()
            child = try Peer.start(in: namespace, directory)
        }

        /// Ready means that the pid file is written.
        private static func start(in namespace: Namespace, _ directory: String) throws -> Child {
            let pidFile = directory + "/passt.pid"
            unlink(pidFile)
            let child = try namespace.start(
                [
                    try required(Peers.passt.path, "passt"), "-f", "-s", directory + "/passt.socket", "--pid", pidFile,
                    "--vhost-user", "-4",
                ])
            let deadline = ne_monotonic_ns() + 20_000_000_000
            while (textOfFile(pidFile) ?? "").isEmpty {
                guard child.status == nil, ne_monotonic_ns() < deadline else {
                    throw Missing("a ready passt\n\(child.transcript)")
                }
                usleep(1000)
            }
            return child
        }

        /// Stops it by SIGSTOP and waits until it stands.
        func standStill() throws {
            child.signal(SIGSTOP)
            for _ in 0..<2000 {
                if textOfFile("/proc/\(child.pid)/stat")?.contains(") T ") == true { return }
                usleep(1000)
            }
            throw Missing("a stopped passt")
        }

        func connect() throws -> FileDescriptor { try UnixSocket.connect(to: directory + "/passt.socket") }
    }

    private func waitFor(_ what: String, _ bench: WireBench, _ peer: Peer, until condition: () -> Bool) throws {
        let deadline = ne_monotonic_ns() + 20_000_000_000
        while !condition() {
            guard ne_monotonic_ns() < deadline else {
                throw Missing("\(what) (\(bench.events))\n\(peer.child.transcript)")
            }
            try bench.reactor.turn(maxWaitNanoseconds: 10_000_000)
            try bench.guest.poll()
        }
    }

    private func booted(_ peer: Peer, configure: (inout FrontEndOptions) -> Void = { _ in }) throws -> WireBench {
        try booted(peer, over: try peer.connect(), configure: configure)
    }

    private func booted(
        _ peer: Peer, over socket: consuming FileDescriptor, configure: (inout FrontEndOptions) -> Void = { _ in }
    ) throws -> WireBench {
        let bench = try WireBench(configure: configure)
        try bench.frontEnd.attach(socket)
        try waitFor("the handshake", bench, peer) { bench.frontEnd.isConnected }
        try bench.guest.boot()
        try waitFor("running rings", bench, peer) { bench.frontEnd.state == .running }
        return bench
    }

    /// Asks for the gateway's MAC address until passt answers; the answer.
    private func resolveGateway(_ bench: WireBench, _ peer: Peer) throws -> [UInt8] {
        bench.guest.forgetReceived()
        bench.guest.send(Self.request)
        try waitFor("an ARP answer", bench, peer) { bench.guest.received.contains { $0.starts(with: Self.guestMAC) } }
        return try required(bench.guest.received.first { $0.starts(with: Self.guestMAC) }, "an ARP answer")
    }

    static let guestMAC: [UInt8] = [0x52, 0x54, 0, 0x12, 0x34, 0x56]
    /// Who has 198.51.100.1? Tell 198.51.100.2 (RFC 826).
    static let request =
        hex(
            """
            ffffffffffff 525400123456 0806          # broadcast, from the guest, ARP
            0001 0800 06 04 0001                    # Ethernet, IPv4, request
            525400123456 c6336402 000000000000 c6336401
            """)

    /// What such an answer begins with behind its addresses.
    static let arpReply = hex("0806 0001 0800 06 04 0002")

    @Test("handshake, an ARP request, its answer")
    func arp() throws {
        let peer = try Peer()
        let bench = try booted(peer)
        #expect(bench.frontEnd.features == 0x1_0000_8002)
        #expect(bench.frontEnd.protocolFeatures.rawValue == 0x8_000e)
        let answer = try resolveGateway(bench, peer)
        #expect(answer[12..<22] == Self.arpReply[...])
        #expect(answer[28..<32] == hex("c6336401")[...])
        #expect(bench.guest.isLinkUp)
    }

    @Test("a stop returns its bases, a start goes on")
    func stopAndStart() throws {
        let peer = try Peer()
        let bench = try booted(peer)
        _ = try resolveGateway(bench, peer)
        var isSuspended = false
        bench.device.suspend { isSuspended = true }
        try waitFor("the stop", bench, peer) { isSuspended }
        #expect(bench.frontEnd.state == .ready)
        bench.device.resume()
        _ = try resolveGateway(bench, peer)
        #expect(bench.disconnections.isEmpty)
        #expect(!bench.events.contains { if case .warning = $0 { true } else { false } })
    }

    @Test("killed, started again: frames queued in between are answered by the next one (CFE-11)")
    func death() throws {
        let peer = try Peer()
        let bench = try booted(peer)
        _ = try resolveGateway(bench, peer)
        peer.child.end()
        try waitFor("the end", bench, peer) { !bench.disconnections.isEmpty }
        #expect(!bench.guest.isLinkUp)
        bench.guest.forgetReceived()
        for _ in 0..<10 { bench.guest.send(Self.request) }
        try peer.restart()
        try bench.frontEnd.attach(try peer.connect())
        func answers() -> Int {
            bench.guest.received.count { $0.starts(with: Self.guestMAC + [0x9a, 0x55]) && $0[12...13] == [8, 6] }
        }
        try waitFor("ten answers", bench, peer) { answers() >= 10 }
        // A passt that dies between an answer and its used ring leaves a chain that is offered again: eleven.
        #expect(answers() <= 11)
        #expect(bench.guest.resets == 0)
        #expect(bench.guest.isLinkUp)
    }

    @Test("stopped by SIGSTOP it is found by the missing sign of life (RF-16)")
    func standstill() throws {
        let peer = try Peer()
        let bench = try booted(peer) { $0.healthInterval = .milliseconds(500) }
        _ = try resolveGateway(bench, peer)
        // The child that was started is the one that runs: passt replaced it by exec.
        peer.child.signal(SIGSTOP)
        let stopped = ne_monotonic_ns()
        try waitFor("the end", bench, peer) { !bench.disconnections.isEmpty }
        #expect(bench.disconnections == [.timeout(.getFeatures, after: .milliseconds(1500))])
        #expect(ne_monotonic_ns() - stopped > 1_400_000_000)
        try peer.restart()
        try bench.frontEnd.attach(try peer.connect())
        _ = try resolveGateway(bench, peer)
    }

    /// Story: a node moved while 500 connections were busy; now and then passt was gone when its state was asked for.
    @Test("stopped a hundred times in the middle of a guest's traffic, passt lives")
    func stopsUnderTraffic() throws {
        let peer = try Peer()
        let bench = try booted(peer)
        for round in 0..<100 {
            var isSuspended = false
            for _ in 0..<20 { bench.guest.send(Self.request) }
            bench.device.suspend { isSuspended = true }
            try waitFor("stop \(round)", bench, peer) {
                bench.guest.send(Self.request)
                return isSuspended
            }
            bench.device.resume()
            try waitFor("start \(round)", bench, peer) { bench.frontEnd.state == .running }
        }
        _ = try resolveGateway(bench, peer)
        #expect(bench.disconnections.isEmpty && peer.child.status == nil)
    }

    /// It closes the kick's descriptor for GET_VRING_BASE, then reads it for the event that came in the same turn, and
    /// takes EBADF for the end. A kick after GET_VRING_BASE of its own ring is what it takes, made certain by a SIGSTOP.
    @Test("a kick that passt finds beside GET_VRING_BASE of its ring ends it (its own fault, counted)")
    func kickBesideStop() throws {
        let tries = 5
        var deaths = 0
        for _ in 0..<tries {
            let peer = try Peer()
            let socket = SharedDescriptor(try peer.connect())
            let bench = try booted(peer, over: try socket.descriptor.duplicate())
            try peer.standStill()
            #expect(try UnixSocket.send(socket.raw, message: Message.getVringBase(index: 1).encoded()))
            bench.device.notify(queue: 1)
            peer.child.signal(SIGCONT)
            if (try? peer.child.wait(seconds: 2)) == .exited(1) {
                deaths += 1
                #expect(peer.child.errors.contains("vhost-user kick eventfd_read(): Bad file descriptor"))
            }
        }
        print("passt-fault | a kick beside GET_VRING_BASE | passt ended itself in \(deaths) of \(tries)")
    }
}
