// The words of TCP's upper door: socket names, states, errors and the status of a
// connection as a value. Nothing here acts.

/// The name of a connection or listener. Names are never reused within one ``TCPLayer`` before
/// 2³² others had the same slot, so a stale name finds nothing.
public struct TCPSocketID: Hashable, Sendable {
    var index: UInt32
    var generation: UInt32

    /// Where the connection stands in tables beside TCP's: a small number that is used again when the connection is
    /// gone. Of a listener it says nothing.
    public var slot: Int { Int(index) }
}

/// RFC 9293, 3.3.2.
public enum TCPState: UInt8, Sendable, CaseIterable {
    /// In the order of the RFC's diagram; the raw values tell what comes later.
    case closed, listen, synSent, synReceived, established, finWait1, finWait2, closeWait, closing, lastAck, timeWait
}

extension TCPState: CustomStringConvertible {
    /// The state's name as RFC 9293 spells it.
    public var description: String {
        switch self {
        case .closed: "CLOSED"
        case .listen: "LISTEN"
        case .synSent: "SYN-SENT"
        case .synReceived: "SYN-RECEIVED"
        case .established: "ESTABLISHED"
        case .finWait1: "FIN-WAIT-1"
        case .finWait2: "FIN-WAIT-2"
        case .closeWait: "CLOSE-WAIT"
        case .closing: "CLOSING"
        case .lastAck: "LAST-ACK"
        case .timeWait: "TIME-WAIT"
        }
    }
}

/// Why a call failed or a connection ended. RFC 9293, 3.10 and 3.9.2.2.
public enum TCPError: Error, Hashable, Sendable {
    /// The peer answered the SYN with RST.
    case connectionRefused
    /// The peer sent an acceptable RST.
    case connectionReset
    /// `abort` was called here.
    case connectionAborted
    /// Retransmissions, probes or the handshake went unanswered for too long.
    case timedOut
    /// No route to the destination, or an ICMP error said so while the handshake ran.
    case unreachable
    /// The local address went away.
    case addressLost
    /// The local port (or the pair of endpoints) is taken.
    case addressInUse(TCPEndpoint)
    /// Every ephemeral port towards this destination is taken.
    case noFreePort
    /// `limit` connections are open already.
    case tooManyConnections(limit: Int)
    /// The buffer source lent nothing.
    case noBufferSpace
    /// 0.0.0.0, a broadcast or multicast address, or port 0 as the destination.
    case badDestination(TCPEndpoint)
}

/// What a connection or listener is like at this moment.
public struct TCPStatus: Equatable, Sendable {
    /// Names it in calls.
    public var id: TCPSocketID
    /// RFC 9293, 3.3.2.
    public var state: TCPState
    /// Its own end.
    public var local: TCPEndpoint
    /// 0.0.0.0:0 for a listener.
    public var remote: TCPEndpoint
    /// Bytes that `receive` would give now. For a listener: connections that `accept` would give.
    public var readableBytes: Int
    /// Bytes that `send` would take now; 0 once the sending side is shut down.
    public var writableBytes: Int
    /// Bytes in the send buffer that the peer has not acknowledged, sent or not.
    public var unacknowledgedBytes: Int
    /// The peer has sent FIN and everything before it was received by the caller.
    public var isEOF: Bool
    /// Our FIN was acknowledged: the peer has everything that was sent.
    public var isDelivered: Bool
    /// Set once the connection has failed; it stays until `release`.
    public var error: TCPError?
    /// Smoothed round-trip time in nanoseconds; 0 until measured.
    public var roundTripNanoseconds: UInt64
    /// Segments sent again so far.
    public var retransmissions: UInt32

    /// The handshake has completed and the connection was not closed since.
    public var isConnected: Bool { state.rawValue >= TCPState.established.rawValue }
}
