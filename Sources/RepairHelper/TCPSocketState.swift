// One connected TCP socket as data: everything that must travel so that another kernel can go on
// with the connection. What the kernel keeps and how it counts is in TCPSocketState+Dump.swift,
// the way back in TCPSocketState+Restore.swift, the bytes in TCPSocketState+Encoding.swift.
//
// Sequence numbers (RFC 9293, 3.4) are those of the queues' first bytes:
//
//      send queue      |<- sent, not acknowledged ->|<- unsent ->|[our FIN]
//                      ^ sendSequence
//      receive queue   |<- received, not read ->|[peer's FIN]
//                      ^ receiveSequence

import Linux

/// The states in which a connection can be moved (RFC 9293, 3.3.2).
public enum MovableState: UInt8, Sendable, CaseIterable {
    // The numbers are the kernel's (tcp_states.h), as TCP_INFO reports them.
    /// Both sides may send.
    case established = 1
    /// We have closed; the FIN is not acknowledged.
    case finWait1 = 4
    /// We have closed; the peer has not.
    case finWait2 = 5
    /// The peer has closed; we have not.
    case closeWait = 8
    /// Both have closed; our FIN is not acknowledged.
    case lastAck = 9
    /// Both have closed at once.
    case closing = 11

    /// Whether we have closed our direction: a FIN follows the send queue.
    public var hasOurFIN: Bool { self != .established && self != .closeWait }
    /// Whether that FIN was acknowledged.
    public var isOurFINAcknowledged: Bool { self == .finWait2 }
    /// Whether the peer has closed its direction: its FIN follows the receive queue.
    public var hasPeerFIN: Bool { self == .closeWait || self == .lastAck || self == .closing }
}

/// A connected TCP socket, taken down.
public struct TCPSocketState: Equatable, Sendable {
    /// Shifts of both directions (RFC 7323, 2).
    public struct WindowScale: Equatable, Sendable {
        /// Applies to the windows that the peer advertises; at most 14.
        public var send: UInt8
        /// Applies to the windows that we advertise; at most 14.
        public var receive: UInt8
        /// Shifts, 0 to 14.
        public init(send: UInt8, receive: UInt8) {
            self.send = send
            self.receive = receive
        }
    }

    /// Our end.
    public var local: InternetSocketAddress
    /// The peer's end.
    public var remote: InternetSocketAddress
    /// Where the connection stands.
    public var state: MovableState
    /// Sequence number of the send queue's first byte.
    public var sendSequence: UInt32
    /// Sequence number of the receive queue's first byte.
    public var receiveSequence: UInt32
    /// Bytes that the peer has not acknowledged; the last `unsentCount` of them were never sent.
    public var sendQueue: [UInt8]
    /// How many bytes at the end of the send queue have not been sent.
    public var unsentCount: Int
    /// Bytes that arrived and were not read.
    public var receiveQueue: [UInt8]
    /// Segment size in bytes as negotiated, before options.
    public var maximumSegmentSize: UInt16
    /// Nil: neither side scales.
    public var windowScale: WindowScale?
    /// Both sides agreed to selective acknowledgements.
    public var isSACKPermitted: Bool
    /// The timestamp clock (RFC 7323, 5.4) at the dump; nil when the option is off.
    public var timestamp: UInt32?
    /// What both sides take.
    public var window: RepairWindow

    /// A fresh, empty connection of two known ends; everything else is set as it becomes known.
    public init(
        local: InternetSocketAddress, remote: InternetSocketAddress, state: MovableState, window: RepairWindow
    ) {
        self.local = local
        self.remote = remote
        self.state = state
        self.window = window
        sendSequence = 0
        receiveSequence = 0
        sendQueue = []
        unsentCount = 0
        receiveQueue = []
        maximumSegmentSize = 536
        windowScale = nil
        isSACKPermitted = false
        timestamp = nil
    }

    /// The peer closed its direction: when `receiveQueue` has been read, the stream has ended. The kernel
    /// that restores the socket does not say so again, so the owner must remember it.
    public var peerFinished: Bool { state.hasPeerFIN }
}

/// Why a socket could not be taken down or put up.
public enum TCPSocketStateError: Error, Equatable, Sendable {
    /// A kernel call failed.
    case system(SystemError)
    /// The connection is in a state (the kernel's number) in which it cannot be moved.
    case notMovable(state: UInt8)
    /// The kernel's accounts of a queue disagree: so many bytes were expected, so many found.
    case inconsistentQueue(name: String, expected: Int, found: Int)
    /// A queue is longer than the `limit` that was asked for (bytes).
    case queueTooLong(name: String, length: Int, limit: Int)
    /// The bytes are no encoded socket state.
    case malformed(String)
    /// The bytes were written by a version that this one does not know.
    case unknownVersion(UInt16)
}
