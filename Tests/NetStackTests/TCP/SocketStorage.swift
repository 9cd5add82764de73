// A storage whose text lies in TCP sockets of the host, as a user network keeps it: bytes of the guest are sent as they
// come and acknowledged when the socket has taken them; bytes for the guest stay in the socket's receive queue, are peeked
// at the offset that is to be sent, and dropped when the guest has acknowledged them.

import Bytes
import Glibc
import Link

@testable import NetStack

final class SocketStorage: TCPStorage {
    struct Flow {
        let id: TCPSocketID
        let fd: CInt
        /// Bytes of the receive queue that the machine knows of.
        var told = 0
        var peerFinished = false
        var isFinished = false
    }

    private(set) var flows: [Int: Flow] = [:]
    /// Makes the socket of the next connection.
    var makeSocket: () -> CInt? = { nil }
    private(set) var isBroken = false

    let plannedRoom = 32 << 10

    deinit { for flow in flows.values { Glibc.close(flow.fd) } }

    func open(_ id: TCPSocketID) -> Int? {
        guard let fd = makeSocket() else { return nil }
        flows[id.slot] = Flow(id: id, fd: fd)
        return plannedRoom
    }

    func peerFinished(_ slot: Int) {
        if let fd = flows[slot]?.fd { Glibc.shutdown(fd, CInt(SHUT_WR)) }
        flows[slot]?.peerFinished = true
    }

    func close(_ slot: Int, keepingUnread: Bool) -> Bool {
        if let flow = flows.removeValue(forKey: slot) { Glibc.close(flow.fd) }
        return false
    }

    func occupancy(_ slot: Int) -> TCPOccupancy { TCPOccupancy(unread: 0, free: 0) }

    func store(_ text: TCPPayload, at offset: Int, of slot: Int) -> Int {
        guard offset == 0, let fd = flows[slot]?.fd else { return 0 }
        var pieces: [iovec] = []
        text.forEachSpan {
            pieces.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count))
        }
        return pieces.withUnsafeMutableBufferPointer { pieces in
            var message = msghdr()
            message.msg_iov = pieces.baseAddress
            message.msg_iovlen = pieces.count
            return max(0, sendmsg(fd, &message, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)))
        }
    }

    func join(_ count: Int, of slot: Int) {}

    /// MSG_PEEK reads from the start of the queue: what lies before `offset` goes into a piece that is thrown away.
    func fetch(
        at offset: Int, into room: UnsafeMutableRawBufferPointer, of slot: Int, adding sum: inout InternetChecksum
    ) -> Int {
        guard let fd = flows[slot]?.fd else { return 0 }
        let count = withUnsafeTemporaryAllocation(byteCount: max(1, offset), alignment: 16) { skipped in
            var pieces = [
                iovec(iov_base: skipped.baseAddress, iov_len: offset),
                iovec(iov_base: room.baseAddress, iov_len: room.count),
            ]
            return pieces.withUnsafeMutableBufferPointer { pieces in
                var message = msghdr()
                message.msg_iov = pieces.baseAddress
                message.msg_iovlen = pieces.count
                return recvmsg(fd, &message, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)) - offset
            }
        }
        guard count > 0 else { return 0 }
        sum.add(UnsafeRawBufferPointer(rebasing: room[0..<count]))
        return count
    }

    func discard(_ count: Int, of slot: Int) {
        guard let fd = flows[slot]?.fd else { return }
        let dropped = recv(fd, nil, count, CInt(MSG_TRUNC) | CInt(MSG_DONTWAIT))
        if dropped != count { isBroken = true }
        flows[slot]?.told -= count
    }

    /// What an event loop would do when sockets are readable or writable.
    func poll(_ machine: TCPMachine, now: Instant) {
        for (slot, flow) in flows {
            var waiting: CInt = 0
            var unsent: CInt = 0
            var size: CInt = 0
            var length = socklen_t(MemoryLayout<CInt>.size)
            guard ioctl(flow.fd, UInt(FIONREAD), &waiting) == 0, ioctl(flow.fd, UInt(TIOCOUTQ), &unsent) == 0,
                getsockopt(flow.fd, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0
            else { continue }
            let new = Int(waiting) - flow.told
            flows[slot]?.told += new
            machine.textQueued(flow.id, new, now: now)
            // The kernel charges more than the bytes: half of what it says is surely taken.
            machine.roomChanged(flow.id, to: Int(size - unsent) / 2, of: Int(size) / 2, now: now)
            if !flow.isFinished, hasHostFinished(flow.fd) {
                flows[slot]?.isFinished = true
                machine.shutdownSend(flow.id, now: now)
            }
        }
    }

    private func hasHostFinished(_ fd: CInt) -> Bool {
        // POLLRDHUP, which Glibc hides behind _GNU_SOURCE.
        var entry = pollfd(fd: fd, events: 0x2000, revents: 0)
        return Glibc.poll(&entry, 1, 0) == 1 && entry.revents & 0x2000 != 0
    }
}

/// A connection between two sockets of this process over 127.0.0.1; both do not wait. `nil`: the kernel refused.
func loopbackPair() -> (CInt, CInt)? {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    guard listener >= 0 else { return nil }
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(listener, $0, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &length) == 0
        }
    }
    let one = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    let connected = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(one, $0, length) == 0 }
    }
    guard bound, connected else {
        close(one)
        return nil
    }
    let other = accept(listener, nil, nil)
    for fd in [one, other] { _ = fcntl(fd, F_SETFL, O_NONBLOCK) }
    return (one, other)
}
