// What can be set about TCP, with its defaults and where they come from.

import Bytes

/// Settings of a ``TCPLayer``.
public struct TCPConfiguration: Sendable {
    /// Connections at the same time, TIME-WAIT included; further ones are refused.
    public var maximumConnections = 65_536
    /// Bytes of a connection's receive and send buffer when it is new. They double while a
    /// connection fills them, up to the maximum.
    public var initialBuffer = 128 << 10
    /// The most a receive buffer grows to, in bytes.
    public var maximumReceiveBuffer = 1 << 20
    /// The most a send buffer grows to, in bytes.
    public var maximumSendBuffer = 1 << 20
    /// Bytes that all buffers together aim to stay under: a new buffer is never larger than its
    /// fair share of it, nor smaller than `minimumBuffer`.
    public var bufferBudget = 48 << 20
    /// Bytes that a buffer has at least, whatever the budget.
    public var minimumBuffer = 8 << 10
    /// RFC 7323, 3.2: offered in our SYN.
    public var usesTimestamps = true
    /// RFC 7323, 2.2: offered in our SYN.
    public var usesWindowScale = true
    /// RFC 9293, 3.7.4: Nagle's algorithm, for connections that do not say otherwise.
    public var usesNagle = false
    /// RFC 6298, 2.4 asks for one second; 200 ms is what today's kernels use on fast paths.
    public var minimumRTO = Interval.milliseconds(200)
    /// RFC 6298, 2.5.
    public var maximumRTO = Interval.seconds(60)
    /// RFC 6298, 2.1.
    public var initialRTO = Interval.seconds(1)
    /// RFC 9293, 3.8.6.3 allows 500 ms.
    public var delayedAck = Interval.milliseconds(40)
    /// Retransmissions of one SYN (RFC 9293, 3.8.3 R2 for SYN) and of one data segment (R2).
    public var synRetries: UInt8 = 6
    /// Of one data segment; then the connection is given up.
    public var dataRetries: UInt8 = 15
    /// RFC 9293, 3.10.8: 2 MSL.
    public var timeWait = Interval.seconds(60)
    /// How long a SYN is held for a ``TCPDoor`` that does not decide.
    public var holdTime = Interval.seconds(130)
    /// Connections in the hands of a ``TCPDoor``; further SYNs are dropped.
    public var maximumOffered = 1024
    /// How long FIN-WAIT-2 is kept for a connection that the caller has released.
    public var finWait2 = Interval.seconds(60)
    /// RFC 9293, 3.8.4; nil: off, which is the RFC's default.
    public var keepAlive: Interval?
    /// RFC 5961, 7: challenge ACKs of one connection per second.
    public var challengeAcksPerSecond: UInt8 = 10
    /// RFC 6056: where the search for a local port is confined to.
    public var ephemeralPorts: ClosedRange<UInt16> = 32_768...60_999

    /// The defaults above.
    public init() {}
}

extension Interval {
    /// Nanoseconds as the machine counts them; a negative interval is none.
    var unsigned: UInt64 { UInt64(max(0, nanoseconds)) }
}
