// Putting a socket up. The socket stays in repair mode until `resume`: until then closing it sends
// nothing, so a restore that fails on the way never harms the connection. The order of the kernel
// calls is what makes it work; it is written down beside each step.

import Glibc
import Linux

/// A socket that was restored and is still silent. `resume` lets it speak; dropping it closes the
/// descriptor in repair mode, without FIN or RST.
public struct RestoredSocket: ~Copyable {
    private let descriptor: FileDescriptor
    private let state: TCPSocketState
    /// Its descriptor's number.
    public var raw: CInt { descriptor.raw }

    /// What the owner has to go on with.
    public struct Live: ~Copyable {
        /// The connected socket, non-blocking.
        public let descriptor: FileDescriptor
        /// Bytes of the send queue that the kernel had no room for: to be sent before anything else, and
        /// before the FIN when `mustFinish`.
        public let pending: [UInt8]
        /// The stream of the peer ends after the bytes that can be read; the kernel will not say so.
        public let peerFinished: Bool
        /// We had closed our direction and `pending` is not empty: shutdown(SHUT_WR) when it has gone out.
        public let mustFinish: Bool

        /// The descriptor, taken out.
        public consuming func take() -> FileDescriptor { descriptor }
    }

    /// Rebuilds the connection in a fresh socket of this network namespace, where `state.local` and a route
    /// to `state.remote` must exist.
    /// - Parameters:
    ///   - state: the connection as it was.
    ///   - switchOn: puts the fresh socket into repair mode; the helper's door when the caller has no CAP_NET_ADMIN
    ///     itself.
    public static func restore(
        _ state: TCPSocketState,
        switchOn: (CInt) throws(SystemError) -> Void = { (fd) throws(SystemError) in
            try RepairOption(fd).set(.on)
        }
    ) throws(TCPSocketStateError) -> RestoredSocket {
        let socket = RestoredSocket(descriptor: try fresh(state), state: state)
        do { try socket.build(switchOn) } catch { throw .system(error) }
        return socket
    }

    private init(descriptor: consuming FileDescriptor, state: TCPSocketState) {
        self.descriptor = descriptor
        self.state = state
    }

    private func build(_ switchOn: (CInt) throws(SystemError) -> Void) throws(SystemError) {
        SilencingFilter.attach(to: raw)
        try switchOn(raw)
        try connectSilently()
        try fillQueues()
        try setOptions()
    }

    private static func fresh(_ state: TCPSocketState) throws(TCPSocketStateError) -> FileDescriptor {
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let fd = socket(state.local.family, kind, CInt(IPPROTO_TCP))
        guard fd >= 0 else { throw .system(SystemError(call: "socket", code: errno)) }
        var one: CInt = 1
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        return FileDescriptor(owning: fd)
    }

    /// Addresses, clock and sequence numbers come before connect(), which then sends nothing.
    private func connectSilently() throws(SystemError) {
        let option = RepairOption(raw)
        guard state.local.withSockAddr({ bind(raw, $0, $1) }) == 0 else {
            throw SystemError(call: "bind", code: errno, subject: "\(state.local)")
        }
        if let timestamp = state.timestamp { try option.setTimestamp(timestamp) }
        try option.select(.send)
        try option.setSequence(state.sendSequence)
        try option.select(.receive)
        // The peer's FIN is folded into the sequence: the kernel takes it for acknowledged and the state for
        // ESTABLISHED, and the owner remembers the end of the stream.
        try option.setSequence(state.receiveSequence &+ (state.state.hasPeerFIN ? 1 : 0))
        guard state.remote.withSockAddr({ connect(raw, $0, $1) }) == 0 else {
            throw SystemError(call: "connect", code: errno, subject: "\(state.remote)")
        }
    }

    /// In repair mode send() puts bytes into the selected queue: unread ones, then those that were sent.
    private func fillQueues() throws(SystemError) {
        let sent = state.sendQueue.count - state.unsentCount
        // The kernel charges up to a few times the bytes for small pieces.
        SocketBuffer.receive.raise(of: raw, to: state.receiveQueue.count &* 2)
        SocketBuffer.send.raise(of: raw, to: state.sendQueue.count &* 2)
        try fill(state.receiveQueue[...], "receive queue")
        try RepairOption(raw).select(.send)
        try fill(state.sendQueue.prefix(sent), "send queue")
    }

    /// Writes all of `bytes`; the kernel wants one linear buffer a call, so the piece is halved when it has none.
    private func fill(_ bytes: ArraySlice<UInt8>, _ name: String) throws(SystemError) {
        var done = 0
        var piece = 64 << 10
        while done < bytes.count {
            let count = min(piece, bytes.count - done)
            let n = bytes.dropFirst(done).withUnsafeBytes { Glibc.send(raw, $0.baseAddress, count, noSignal) }
            if n > 0 {
                done += n
            } else if n < 0, errno == ENOMEM || errno == ENOBUFS, piece > 1024 {
                piece /= 2
            } else if n < 0, errno != EINTR {
                throw SystemError(call: "send", code: errno, subject: "\(name), \(done) of \(bytes.count) bytes")
            }
        }
    }

    /// Options and windows are accepted in ESTABLISHED only, and windows only when the queues are in place.
    private func setOptions() throws(SystemError) {
        let option = RepairOption(raw)
        var options = [RepairTCPOption.maximumSegmentSize(state.maximumSegmentSize)]
        if let scale = state.windowScale { options.append(.windowScale(send: scale.send, receive: scale.receive)) }
        if state.isSACKPermitted { options.append(.sackPermitted) }
        if state.timestamp != nil { options.append(.timestamps) }
        try option.setOptions(options)
        if state.state == .finWait2, shutdown(raw, CInt(SHUT_WR)) != 0 {
            // In repair mode our FIN counts as sent; the peer's next acknowledgement leads to FIN-WAIT-2.
            throw SystemError(call: "shutdown", code: errno)
        }
        try option.setWindow(state.window)
    }

    /// Leaves repair mode, sends what was never sent and our FIN where one is due.
    /// - Parameter switchOff: takes the socket out of repair mode; the helper's door, or a probe-less way.
    public consuming func resume(
        switchOff: (CInt) throws(SystemError) -> Void = { (fd) throws(SystemError) in
            try RepairOption(fd).set(.off)
        }
    ) throws(TCPSocketStateError) -> Live {
        SilencingFilter.detach(from: raw)
        do { try switchOff(raw) } catch { throw .system(error) }
        let unsent = state.sendQueue.suffix(state.unsentCount)
        let taken = unsent.withUnsafeBytes { Glibc.send(raw, $0.baseAddress, $0.count, noSignal) }
        let pending = Array(unsent.dropFirst(max(0, taken)))
        let finishes = state.state.hasOurFIN && !state.state.isOurFINAcknowledged
        if finishes, pending.isEmpty { shutdown(raw, CInt(SHUT_WR)) }
        return Live(
            descriptor: descriptor, pending: pending, peerFinished: state.peerFinished,
            mustFinish: finishes && !pending.isEmpty)
    }
}

/// MSG_NOSIGNAL, which the C library's module does not show: EPIPE instead of SIGPIPE.
private let noSignal: CInt = 0x4000
