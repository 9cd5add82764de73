// What a front-end tells its owner, and the words in which the machine speaks to its shell.

import Linux
import Virtio

/// News from a front-end.
public enum FrontEndEvent: Equatable, Sendable {
    /// The handshake is done. `features` are those a driver may be offered (VIRTIO 1.3, 2.2).
    case connected(features: UInt64)
    /// The rings are started.
    case ready
    /// `start` could not be done; the connection lives.
    case startFailed(VhostUserError)
    /// The connection is over; guest memory is no longer described to anybody, but a back-end that still
    /// lives may touch it: end it before the rings are used again.
    case disconnected(reason: VhostUserError)
    /// The back-end signalled an error on a ring (SET_VRING_ERR).
    case ringFailed(queue: UInt16)
    /// Something to tell the user; work goes on.
    case warning(String)
}

/// A ring that GET_VRING_BASE stopped.
public struct StoppedRing: Equatable, Sendable {
    /// Which ring of the device.
    public let index: UInt16
    /// Entries.
    public let size: UInt16
    /// Guest-physical address.
    public let usedRing: UInt64
    /// The back-end's answer, not yet judged.
    public let answer: UInt32

    /// The next avail index, when the answer is possible: a split ring's index has 16 bits, and a device
    /// that stopped has taken between 0 and `size` chains that it has not used.
    public func base(usedIndex: UInt16) -> RingPosition? {
        guard let base = UInt16(exactly: answer), base &- usedIndex <= size else { return nil }
        return RingPosition(base)
    }
}

/// What the machine wants done, in this order.
public enum FrontEndAction {
    /// A whole message and what travels with it.
    case send([UInt8], [Attachment])
    /// Makes an eventfd readable.
    case signal(SharedEvent)
    /// Calls the driver for this queue.
    case interrupt(queue: UInt16)
    /// `stop` is done.
    case stopped([StoppedRing])
    /// The back-end's state: to be read to its end, or written and closed, through this descriptor of the back-end's, or
    /// through our end of the pipe. `stateBytesEnded` is called then.
    case moveStateBytes(StateTransfer, through: SharedDescriptor?)
    /// What became of `move`: the descriptors are of no more use.
    case stateMoved(StateOutcome)
    /// The back-end marks what it writes from here on, in every ring; or why it does not, or does no more.
    case logged(VhostUserError?)
    /// News for the owner.
    case report(FrontEndEvent)
    /// The connection is over: close the socket. A report of `disconnected` follows.
    case close
}

/// The descriptors that are made for one connection: what one back-end had, no other gets.
public struct ConnectionDescriptors: Sendable {
    /// One per ring: the back-end sleeps on it.
    public let kicks: [SharedEvent]
    /// One per ring: the back-end signals it, also before the ring is set up.
    public let calls: [SharedEvent]
    /// One per ring: the back-end's way to say that it gave the ring up.
    public let errors: [SharedEvent]
    /// The back-end's end of the socket pair for its own requests; nil leaves the feature unacknowledged.
    public let backEndChannel: SharedDescriptor?

    /// Kicks, calls and errors: one for each ring of the connection.
    public init(
        kicks: [SharedEvent], calls: [SharedEvent], errors: [SharedEvent], backEndChannel: SharedDescriptor? = nil
    ) {
        self.kicks = kicks
        self.calls = calls
        self.errors = errors
        self.backEndChannel = backEndChannel
    }
}
