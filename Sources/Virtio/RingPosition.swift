// Where work on a ring goes on. What is handed from one device to the next, and over vhost-user, is this value
// and not a bare number: a packed ring's position has a second part.

/// The next place of a ring from which a device takes a chain.
public struct RingPosition: Hashable, Sendable, ExpressibleByIntegerLiteral {
    /// Of a split ring the next avail index, which runs through all of its 16 bits (VIRTIO 1.3, 2.7.6).
    public var index: UInt16
    /// The wrap counter (VIRTIO 1.3, 2.8.1); of a split ring, which has none, always true.
    public var wrap: Bool

    /// A position in a split ring.
    public init(_ index: UInt16) {
        self.index = index
        wrap = true
    }

    /// A position in a split ring.
    public init(integerLiteral index: UInt16) { self.init(index) }
}

/// A receive queue and a transmit queue that belong together (VIRTIO 1.3, 5.1.2).
public struct QueuePair: Hashable, Sendable {
    /// 0 for the first pair.
    public let number: UInt16

    /// Pair `number` of a device.
    public init(_ number: UInt16) { self.number = number }

    /// The one that every device has.
    public static let first = QueuePair(0)

    /// Index of the queue that the device fills.
    @inlinable public var receive: UInt16 { number &* 2 }
    /// Index of the queue that the device empties.
    @inlinable public var transmit: UInt16 { number &* 2 &+ 1 }
    /// Both, the receive queue first.
    public var queues: [UInt16] { [receive, transmit] }
}
