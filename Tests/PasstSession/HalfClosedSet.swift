// Connections whose host side has sent everything and its FIN before the move: CLOSE_WAIT in passt's kernel socket. The
// guest's side closes afterwards; a whole connection then ends without a reset.

import GuestNode
import Linux
import NetStack
import TestSupport

/// Connections that the host has closed in its direction.
public final class HalfClosedSet {
    private let node: MovableNode
    private let ids: [TCPSocketID]
    private let bytesEach: Int

    /// Opens `count` connections to a service that sends `bytesEach` bytes and FIN, and waits until the node has both.
    public init(_ count: Int, on node: MovableNode, port: UInt16, bytesEach: Int) throws {
        self.node = node
        self.bytesEach = bytesEach
        let tcp = node.node.host.tcp
        var ids: [TCPSocketID] = []
        for _ in 0..<count {
            ids.append(try tcp.connect(to: Endpoint(IPAddress(198, 51, 100, 1), port), now: node.now))
        }
        node.node.onWork?()
        self.ids = ids
        let isThere = try node.turn(atMost: 20) { ids.allSatisfy { tcp.status($0)?.state == .closeWait } }
        guard isThere else { throw TestFailure(description: "the host's FIN is not there within 20 s") }
    }

    /// Sends, closes, and counts the connections that end properly within `seconds`.
    public func finish(within seconds: Double) throws -> FlowOutcome {
        let tcp = node.node.host.tcp
        for id in ids {
            _ = [1, 2, 3].withUnsafeBytes { tcp.send(id, $0, now: node.now) }
            tcp.shutdownSend(id, now: node.now)
        }
        node.node.onWork?()
        _ = try node.turn(atMost: seconds) { ids.allSatisfy { tcp.status($0)?.state != .lastAck } }
        var outcome = FlowOutcome()
        for id in ids {
            let status = tcp.status(id)
            if status?.error != nil {
                outcome.lost += 1
            } else if status?.state == .lastAck || status?.state == .closeWait {
                outcome.stalled += 1
            } else if let status, status.readableBytes != bytesEach {
                outcome.wrong += 1
            } else {
                outcome.whole += 1
            }
        }
        return outcome
    }
}
