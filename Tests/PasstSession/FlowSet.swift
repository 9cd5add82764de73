// Many TCP connections from a node to an echo on the host. Each sends bytes that depend on its number and on their
// position, and compares what comes back: a byte lost, doubled or of another flow is seen.

import Glibc
import GuestNode
import Linux
import NetStack
import TestSupport

/// What became of the flows.
public struct FlowOutcome: Equatable, Sendable, CustomStringConvertible {
    /// Everything came back, byte for byte.
    public var whole = 0
    /// Reset or ended by the other side.
    public var lost = 0
    /// Alive as far as one can tell, but nothing came any more.
    public var stalled = 0
    /// A byte came back that was not sent at that place.
    public var wrong = 0

    public init(whole: Int = 0, lost: Int = 0, stalled: Int = 0, wrong: Int = 0) {
        self.whole = whole
        self.lost = lost
        self.stalled = stalled
        self.wrong = wrong
    }

    public var description: String { "\(whole) whole, \(lost) lost, \(stalled) stalled, \(wrong) wrong" }
}

/// Connections that all do the same.
public final class FlowSet {
    private struct Flow {
        let id: TCPSocketID
        var sent = 0
        var received = 0
        var isLost = false
        var isWrong = false
    }

    /// Bytes that may be under way in a connection: enough that some lie in every queue when it is moved.
    static let window = 6144
    private let node: any TurningNode
    private let bytesEach: Int
    private var sendLimit = 0
    private var flows: [Flow] = []
    private var room = [UInt8](repeating: 0, count: 4096)
    /// A prime number of bytes without a shorter period, repeated once so that every piece is contiguous.
    private let pattern: [UInt8]
    private static let period = 65_521

    /// Opens `count` connections to `port` of the host (its loopback, when the address is the gateway's) and waits until all are established.
    public init(
        _ count: Int, on node: any TurningNode, to address: String = gateway, port: UInt16, bytesEach: Int
    ) throws {
        self.node = node
        self.bytesEach = bytesEach
        var state: UInt32 = 1
        let base = (0..<Self.period).map { _ in
            state = state &* 1_664_525 &+ 1_013_904_223
            return UInt8(truncatingIfNeeded: state >> 24)
        }
        pattern = base + base
        let tcp = node.node.host.tcp
        guard let remote = IPAddress(address) else { throw TestFailure(description: "\(address) is no address") }
        while flows.count < count {
            for _ in 0..<min(50, count - flows.count) {
                let id = try tcp.connect(to: Endpoint(remote, port), now: node.now)
                flows.append(Flow(id: id))
            }
            node.node.onWork?()
            let isOpen = try node.turn(atMost: 30) {
                flows.suffix(50).allSatisfy { tcp.status($0.id)?.isConnected == true }
            }
            guard isOpen else { throw TestFailure(description: "connections are not established within 30 s") }
        }
    }

    /// Talks until every flow that still can has received `share` of its bytes, or nothing moves for `patience` seconds.
    /// - Parameters:
    ///   - isIdleAfterwards: send no more than that share, so that nothing is under way in the end.
    ///   - isOver: there is nobody to talk to any more; asked in each turn.
    public func talk(
        until share: Double, isIdleAfterwards: Bool = false, patience: Double = 15,
        orUntil isOver: () -> Bool = { false }
    ) throws {
        let goal = Int(Double(bytesEach) * share)
        sendLimit = isIdleAfterwards ? goal : bytesEach
        var quiet = node.reactor.nowNanoseconds
        while flows.contains(where: { !$0.isLost && !$0.isWrong && $0.received < goal }) {
            let moved = pump()
            let now = node.reactor.nowNanoseconds
            if moved > 0 { quiet = now }
            guard Double(now - quiet) / 1e9 < patience, !isOver() else { return }
            try node.reactor.turn(maxWaitNanoseconds: 20_000_000)
        }
    }

    public var outcome: FlowOutcome {
        var outcome = FlowOutcome()
        for flow in flows {
            if flow.isWrong {
                outcome.wrong += 1
            } else if flow.received == bytesEach {
                outcome.whole += 1
            } else if flow.isLost {
                outcome.lost += 1
            } else {
                outcome.stalled += 1
            }
        }
        return outcome
    }

    /// Where those stand that are not whole: for a failure's text.
    public var unfinished: String {
        flows.enumerated().filter { $0.element.received < bytesEach }.map { index, flow in
            "flow \(index): sent \(flow.sent), received \(flow.received) of \(bytesEach), "
                + "\(node.node.host.tcp.status(flow.id).map { "\($0)" } ?? "gone")"
        }.joined(separator: "\n")
    }

    /// Bytes that all flows together have under way.
    public var bytesUnderWay: Int { flows.reduce(0) { $0 + $1.sent - $1.received } }

    private func pump() -> Int {
        var moved = 0
        for index in flows.indices where !flows[index].isLost && flows[index].received < bytesEach {
            moved += send(index) + receive(index)
            let status = node.node.host.tcp.status(flows[index].id)
            if status == nil || status?.error != nil || status?.isEOF == true {
                flows[index].isLost = flows[index].received < bytesEach
            }
        }
        if moved > 0 { node.node.onWork?() }
        return moved
    }

    private func send(_ index: Int) -> Int {
        let flow = flows[index]
        let count = min(room.count, sendLimit - flow.sent, Self.window - (flow.sent - flow.received))
        guard count > 0 else { return 0 }
        let taken = pattern[piece(index, flow.sent, count)].withUnsafeBytes {
            node.node.host.tcp.send(flow.id, $0, now: node.now).count
        }
        flows[index].sent += taken
        return taken
    }

    private func receive(_ index: Int) -> Int {
        let flow = flows[index]
        let count = room.withUnsafeMutableBytes { node.node.host.tcp.receive(flow.id, into: $0, now: node.now).count }
        guard count > 0 else { return 0 }
        let isRight = pattern[piece(index, flow.received, count)].withUnsafeBytes { expected in
            room.withUnsafeBytes { expected.elementsEqual($0.prefix(count)) }
        }
        flows[index].isWrong = flow.isWrong || !isRight
        flows[index].received += count
        return count
    }

    private func piece(_ index: Int, _ offset: Int, _ count: Int) -> Range<Int> {
        let start = (offset + index * 127) % Self.period
        return start..<start + count
    }
}
