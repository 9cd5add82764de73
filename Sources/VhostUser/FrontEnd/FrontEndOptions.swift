// What the owner of a front-end decides: queues, which features may be acknowledged, how long to wait.

import Bytes
import Virtio

/// Fixed for the life of a front-end.
public struct FrontEndOptions: Sendable {
    /// Queue pairs, 1 to 128: ring 2k receives, ring 2k+1 transmits.
    public var queuePairs = 1
    /// Virtio features that may be acknowledged to the back-end; VERSION_1 always is.
    public var features: UInt64 = NetFeature.ownedByBackEnd | NetFeature.mtu | NetFeature.multiqueue
    /// Protocol features that are acknowledged when offered.
    public var protocolFeatures: ProtocolFeatures = .frontEnd
    /// Told by NET_SET_MTU when the back-end can and the driver negotiated it. Legal: 68 to 65535.
    public var mtu: UInt16?
    /// How long a request may stay unanswered.
    public var requestDeadline: Interval = .seconds(5)
    /// After this much silence of a connected back-end it is asked for a sign of life (GET_FEATURES, which must be
    /// answered at any time); nil never asks.
    public var healthInterval: Interval? = .milliseconds(500)
    /// How long the sign of life may take.
    public var healthDeadline: Interval = .milliseconds(1500)
    /// How long a back-end may take to say that it has the log in which it is to mark what it writes.
    public var logDeadline: Interval = .seconds(1)
    /// How long a back-end's state may take to be moved, from the call to its last answer.
    public var stateDeadline: Interval = .seconds(20)
    /// Bytes of a back-end's state; a larger one is not moved.
    public var stateLimit = 256 << 20
    /// Before rings are stopped, one GET_FEATURES more: with its answer the back-end has seen every kick. For back-ends
    /// (passt 2026_07_28) that end themselves when they find a kick in the same turn in which its descriptor was closed.
    public var settlesKicksBeforeStop = false
    /// Bytes that may wait for a back-end that does not read.
    public var sendLimit = 64 << 10

    /// One pair of queues, and what every back-end of a network device understands.
    public init() {}

    /// Rings of a connection.
    public var ringCount: Int { min(max(1, queuePairs), 128) * 2 }
}
