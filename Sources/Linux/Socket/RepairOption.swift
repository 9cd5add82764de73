// TCP_REPAIR and its companions as calls with names (tcp(7), linux/tcp.h). Every call needs
// CAP_NET_ADMIN in the user namespace that owns the socket's network namespace, but for switching
// off and for reading. Nothing here decides anything.

import CLinux
import Glibc

/// The kernel's TCP_REPAIR_WINDOW: who last moved the send window, how far it and ours reach (bytes).
public struct RepairWindow: Equatable, Sendable {
    /// snd_wl1: sequence number of the segment that last moved the send window.
    public var lastUpdateSequence: UInt32
    /// snd_wnd: what the peer takes.
    public var send: UInt32
    /// max_window: the most it ever took.
    public var sendMaximum: UInt32
    /// rcv_wnd: what we take.
    public var receive: UInt32
    /// rcv_wup: up to where that was last said.
    public var receiveLastUpdate: UInt32

    /// Values as the kernel gave them.
    public init(
        lastUpdateSequence: UInt32, send: UInt32, sendMaximum: UInt32, receive: UInt32, receiveLastUpdate: UInt32
    ) {
        self.lastUpdateSequence = lastUpdateSequence
        self.send = send
        self.sendMaximum = sendMaximum
        self.receive = receive
        self.receiveLastUpdate = receiveLastUpdate
    }
}

/// One of TCP_REPAIR_OPTIONS: what both sides had agreed on when the connection was opened.
public enum RepairTCPOption: Equatable, Sendable {
    /// Option kind 2: bytes.
    case maximumSegmentSize(UInt16)
    /// Option kind 3: shifts of both directions.
    case windowScale(send: UInt8, receive: UInt8)
    /// Option kind 4.
    case sackPermitted
    /// Option kind 8.
    case timestamps

    fileprivate var kernel: ne_tcp_repair_option {
        switch self {
        case .maximumSegmentSize(let size): ne_tcp_repair_option(kind: 2, value: UInt32(size))
        case .windowScale(let send, let receive):
            ne_tcp_repair_option(kind: 3, value: UInt32(send) | UInt32(receive) << 16)
        case .sackPermitted: ne_tcp_repair_option(kind: 4, value: 0)
        case .timestamps: ne_tcp_repair_option(kind: 8, value: 0)
        }
    }
}

/// The kernel's repair mode of one TCP socket, by its descriptor (borrowed).
public struct RepairOption: Sendable {
    /// The socket's descriptor, borrowed.
    public let fd: CInt
    /// The caller keeps it open.
    public init(_ fd: CInt) { self.fd = fd }

    /// Which queue the queue calls speak of.
    public enum Queue: CInt, Sendable {
        /// Neither: sequence numbers cannot be set.
        case none = 0
        /// What the peer sent and nobody has read.
        case receive = 1
        /// What was sent and not acknowledged, and what waits.
        case send = 2
    }

    /// What becomes of a socket in repair mode.
    public enum Mode: CInt, Sendable {
        /// Leave, and send a window probe that wakes both sides.
        case off = 0
        /// Enter: nothing leaves, what arrives is dropped unseen.
        case on = 1
        /// Leave without a word.
        case offWithoutProbe = -1
    }

    /// Enters or leaves repair mode.
    public func set(_ mode: Mode) throws(SystemError) { try setInt(TCP_REPAIR, mode.rawValue, "TCP_REPAIR") }

    /// The socket is in repair mode.
    public func isOn() throws(SystemError) -> Bool { try getInt(TCP_REPAIR, "TCP_REPAIR") == 1 }

    /// The queue that `setSequence`, and reads and writes of the socket, mean.
    public func select(_ queue: Queue) throws(SystemError) {
        try setInt(TCP_REPAIR_QUEUE, queue.rawValue, "TCP_REPAIR_QUEUE")
    }

    /// The sequence number at the end of the selected queue; before connect() it may be set.
    public func sequence() throws(SystemError) -> UInt32 {
        UInt32(bitPattern: try getInt(TCP_QUEUE_SEQ, "TCP_QUEUE_SEQ"))
    }

    /// The selected queue's first sequence number; only of a closed socket.
    public func setSequence(_ value: UInt32) throws(SystemError) {
        try setInt(TCP_QUEUE_SEQ, CInt(bitPattern: value), "TCP_QUEUE_SEQ")
    }

    /// The clock of our timestamp option, in ms.
    public func timestamp() throws(SystemError) -> UInt32 {
        UInt32(bitPattern: try getInt(TCP_TIMESTAMP, "TCP_TIMESTAMP"))
    }

    /// Goes on with another host's timestamp clock.
    public func setTimestamp(_ value: UInt32) throws(SystemError) {
        try setInt(TCP_TIMESTAMP, CInt(bitPattern: value), "TCP_TIMESTAMP")
    }

    /// TCP_REPAIR_WINDOW.
    public func window() throws(SystemError) -> RepairWindow {
        var value = ne_tcp_repair_window()
        try get(TCP_REPAIR_WINDOW, &value, MemoryLayout<ne_tcp_repair_window>.size, "TCP_REPAIR_WINDOW")
        return RepairWindow(
            lastUpdateSequence: value.snd_wl1, send: value.snd_wnd, sendMaximum: value.max_window,
            receive: value.rcv_wnd, receiveLastUpdate: value.rcv_wup)
    }

    /// TCP_REPAIR_WINDOW, of an established socket.
    public func setWindow(_ window: RepairWindow) throws(SystemError) {
        var value = ne_tcp_repair_window(
            snd_wl1: window.lastUpdateSequence, snd_wnd: window.send, max_window: window.sendMaximum,
            rcv_wnd: window.receive, rcv_wup: window.receiveLastUpdate)
        try set(TCP_REPAIR_WINDOW, &value, MemoryLayout<ne_tcp_repair_window>.size, "TCP_REPAIR_WINDOW")
    }

    /// TCP_REPAIR_OPTIONS, of an established socket.
    public func setOptions(_ list: [RepairTCPOption]) throws(SystemError) {
        var options = list.map(\.kernel)
        try set(
            TCP_REPAIR_OPTIONS, &options, options.count * MemoryLayout<ne_tcp_repair_option>.stride,
            "TCP_REPAIR_OPTIONS")
    }

    /// TCP_MAXSEG: bytes of a segment as agreed on.
    public func maximumSegmentSize() throws(SystemError) -> UInt16 {
        UInt16(clamping: try getInt(TCP_MAXSEG, "TCP_MAXSEG"))
    }

    /// TCP_INFO.
    public func info() throws(SystemError) -> tcp_info {
        var value = tcp_info()
        try get(TCP_INFO, &value, MemoryLayout<tcp_info>.size, "TCP_INFO")
        return value
    }

    /// Bytes in the queues: sent or waiting and not acknowledged (with our FIN until it is acknowledged), of these
    /// not yet sent, received and not read (without the peer's FIN).
    public func queueLengths() throws(SystemError) -> (unacknowledged: Int, unsent: Int, unread: Int) {
        var unacknowledged: CInt = 0
        var unsent: CInt = 0
        var unread: CInt = 0
        _ = try check(ne_tcp_queue_lengths(fd, &unacknowledged, &unsent, &unread), "ioctl(SIOCOUTQ)")
        return (Int(unacknowledged), Int(unsent), Int(unread))
    }

    /// The kernel's own name of the socket (SO_COOKIE), the same through every descriptor.
    public func cookie() throws(SystemError) -> UInt64 {
        var cookie: UInt64 = 0
        _ = try check(ne_socket_cookie(fd, &cookie), "getsockopt(SO_COOKIE)")
        return cookie
    }

    /// connect(AF_UNSPEC): frees address and port; in repair mode without FIN or RST.
    public func disconnect() throws(SystemError) {
        _ = try check(ne_disconnect(fd), "connect(AF_UNSPEC)")
    }

    private func setInt(_ name: CInt, _ value: CInt, _ label: String) throws(SystemError) {
        var value = value
        try set(name, &value, MemoryLayout<CInt>.size, label)
    }

    private func getInt(_ name: CInt, _ label: String) throws(SystemError) -> CInt {
        var value: CInt = 0
        try get(name, &value, MemoryLayout<CInt>.size, label)
        return value
    }

    private func set(_ name: CInt, _ value: UnsafeRawPointer, _ size: Int, _ label: String) throws(SystemError) {
        guard setsockopt(fd, CInt(IPPROTO_TCP), name, value, socklen_t(size)) == 0 else {
            throw SystemError(call: "setsockopt(\(label))", code: errno)
        }
    }

    private func get(_ name: CInt, _ value: UnsafeMutableRawPointer, _ room: Int, _ label: String) throws(SystemError) {
        var size = socklen_t(room)
        guard getsockopt(fd, CInt(IPPROTO_TCP), name, value, &size) == 0 else {
            throw SystemError(call: "getsockopt(\(label))", code: errno)
        }
    }
}
