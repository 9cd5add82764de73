// Request and response: one byte from a node to an echo on the host and back, through real passt. The node is put
// together here from the rooms alone, as somebody would who embeds them: memory, device, front-end, node, reactor.

import Bytes
import Glibc
import GuestNode
import Link
import Linux
import NetStack
import TestSupport
import VhostUser
import Virtio

/// A node on a vhost-user back-end, moved by a reactor.
final class EmbeddedNode {
    let reactor: Reactor
    let node: Node
    private let device: NetDevice
    private let frontEnd: FrontEnd
    private lazy var alarm = Alarm(on: reactor) { [unowned self] in turnNode() }
    private var isTurnPlanned = false

    /// - Parameter socket: connected to a vhost-user back-end.
    init(socket: consuming FileDescriptor, isSpinning: Bool = true) throws {
        reactor = try Reactor()
        if isSpinning { reactor.spin = .forThisProcess() }
        let memory = try GuestMemory(size: 64 << 20)
        let mac = MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)
        device = try NetDevice(model: NetDeviceModel(mac: mac), memory: memory)
        frontEnd = try FrontEnd(reactor: reactor, memory: memory)
        node = Node(NodeConfiguration(heap: GuestHeap(memory: memory), files: NoFiles(), seed: 1))
        node.onWork = { [unowned self] in planTurn() }
        frontEnd.onEvent = { [unowned self] event in
            if case .connected = event { device.attach(frontEnd) }
        }
        node.attach(device, name: "eth0")
        try frontEnd.attach(socket)
    }

    var now: Instant { Instant(nanoseconds: reactor.nowNanoseconds) }

    /// Turns the loop until `condition` holds; false after `seconds`.
    func turn(atMost seconds: Double, until condition: () -> Bool) throws -> Bool {
        let deadline = reactor.nowNanoseconds + UInt64(seconds * 1e9)
        while !condition() {
            guard reactor.nowNanoseconds < deadline else { return false }
            try reactor.turn(maxWaitNanoseconds: 50_000_000)
        }
        return true
    }

    private func planTurn() {
        guard !isTurnPlanned else { return }
        isTurnPlanned = true
        reactor.atEndOfTurn { [unowned self] in turnNode() }
    }

    private func turnNode() {
        isTurnPlanned = false
        node.turn(now: now)
        alarm.set(node.nextDeadline?.nanoseconds)
    }
}

enum RoundTripBench {
    static let count = 10_000

    /// The node with and without spinning, and pasta's own way over its tap with a plain socket: interleaved.
    @Sendable static func run() -> Int32 {
        NodeBench.guarded {
            var spinning: [Double] = []
            var sleeping: [Double] = []
            var tap: [Double] = []
            for _ in 0..<3 {
                spinning += try inNamespace { try throughPasst($0, $1, isSpinning: true) }
                sleeping += try inNamespace { try throughPasst($0, $1, isSpinning: false) }
                tap += try inNamespace(throughPasta)
            }
            Bench.say("| round trips of 1 byte | n | p50 µs | p99 µs |")
            Bench.say("|---|---:|---:|---:|")
            say("node → vhost-user → passt → host and back", spinning)
            say("the same, netemu sleeps at once", sleeping)
            say("kernel socket → tap → pasta → host and back", tap)
        }
    }

    private static func say(_ name: String, _ times: [Double]) {
        Bench.say("| \(name) | \(times.count) | \(fixed(median(times), 1)) | \(fixed(percentile(times, 0.99), 1)) |")
    }

    private static func inNamespace(_ body: (Ground, TemporaryDirectory) throws -> [Double]) throws -> [Double] {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .mapped) { namespace in
                try body(Ground(namespace, directory, services: ["echo:7007"]), directory)
            }
        }
    }

    private static func throughPasst(_ ground: Ground, _ directory: TemporaryDirectory, isSpinning: Bool) throws
        -> [Double]
    {
        _ = try ground.namespace.start(
            [ground.passt, "--vhost-user", "-f", "-q", "-s", "socket", "-P", "pid"], directory: directory.path)
        for _ in 0..<500 where textOfFile(directory.path + "/pid")?.isEmpty != false { pause(milliseconds: 10) }
        let socket = try UnixSocket.connect(to: directory.path + "/socket")
        let embedded = try EmbeddedNode(socket: socket, isSpinning: isSpinning)
        guard try embedded.turn(atMost: 5, until: { embedded.node.isAddressed }) else {
            throw TestFailure(description: "no lease within 5 s")
        }
        return try roundTrips(embedded)
    }

    /// pasta is passt by another name; its client is this program in the namespace that pasta makes.
    private static func throughPasta(_ ground: Ground, _ directory: TemporaryDirectory) throws -> [Double] {
        let pasta = directory.path + "/pasta"
        guard symlink(ground.passt, pasta) == 0 else { throw TestFailure(description: "no link for pasta") }
        let words = [
            pasta, "--config-net", "-f", "-q", "--", Bench.program, "echo-client", gateway, "7007", "\(count)",
        ]
        let (status, child) = try ground.namespace.run(words, seconds: 60)
        let times = child.output.split(separator: "\n").compactMap { Double($0) }
        guard status == .exited(0), times.count == count else {
            throw TestFailure(description: "pasta: \(status)\n\(child.transcript)")
        }
        return times
    }

    private static func roundTrips(_ embedded: EmbeddedNode) throws -> [Double] {
        let tcp = embedded.node.host.tcp
        let remote = Endpoint(IPAddress(198, 51, 100, 1), 7007)
        let socket = try tcp.connect(to: remote, now: embedded.now)
        tcp.setNagle(socket, false)
        embedded.node.onWork?()
        _ = try embedded.turn(atMost: 5) { tcp.status(socket)?.isConnected == true }
        var byte: UInt8 = 0
        var times: [Double] = []
        for round in 0..<count {
            let start = monotonic()
            byte = UInt8(truncatingIfNeeded: round)
            _ = withUnsafeBytes(of: &byte) { tcp.send(socket, $0, now: embedded.now) }
            embedded.node.onWork?()
            let isAnswered = try embedded.turn(atMost: 5) { (tcp.status(socket)?.readableBytes ?? 0) > 0 }
            guard isAnswered else { throw TestFailure(description: "no answer to request \(round) within 5 s") }
            _ = withUnsafeMutableBytes(of: &byte) { tcp.receive(socket, into: $0, now: embedded.now) }
            times.append(Double(monotonic() - start) / 1000)
        }
        return times
    }
}
