// Taking a socket down. The socket must be in repair mode already (RepairOption.set(.on), or the
// helper): then nothing leaves and what arrives is dropped, so the accounts stand still.
//
// How the kernel counts a FIN (measured):
//   - ours is in the end of the send queue's sequence and in the unacknowledged (and unsent) count,
//     until it is acknowledged;
//   - the peer's is in the end of the receive queue's sequence, but never in the unread count.

import Glibc
import Linux

extension TCPSocketState {
    /// Reads `fd`, a connected TCP socket in repair mode. Nothing is changed but SO_PEEK_OFF, which is
    /// switched off: with it the queues would be read from its offset.
    /// - Parameters:
    ///   - fd: stays the caller's.
    ///   - queueLimit: bytes that each queue may hold.
    public static func dump(_ fd: CInt, queueLimit: Int = 64 << 20) throws(TCPSocketStateError) -> TCPSocketState {
        do {
            var off: CInt = -1
            _ = setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, socklen_t(MemoryLayout<CInt>.size))
            let info = try RepairOption(fd).info()
            guard let state = MovableState(rawValue: info.tcpi_state) else {
                throw TCPSocketStateError.notMovable(state: info.tcpi_state)
            }
            return try QueueReader(fd: fd, state: state, limit: queueLimit).read(info)
        } catch let error as SystemError {
            throw .system(error)
        } catch let error as TCPSocketStateError {
            throw error
        } catch {
            throw .malformed("\(error)")
        }
    }
}

private struct QueueReader {
    let fd: CInt
    let state: MovableState
    let limit: Int
    var option: RepairOption { RepairOption(fd) }

    func read(_ info: tcp_info) throws -> TCPSocketState {
        let length = try option.queueLengths()
        let finInFlight = state.hasOurFIN && !state.isOurFINAcknowledged ? 1 : 0
        let sendCount = length.unacknowledged - finInFlight
        let unsentCount = length.unsent - (length.unsent > 0 ? finInFlight : 0)

        let (sendEnd, sendQueue) = try queue(.send, "send queue", count: sendCount)
        let (receiveEnd, receiveQueue) = try queue(.receive, "receive queue", count: length.unread)
        try option.select(.none)
        let options = info.tcpi_options
        var result = TCPSocketState(
            local: try .local(of: fd), remote: try .remote(of: fd), state: state, window: try option.window())
        result.sendSequence = sendEnd &- UInt32(sendCount) &- (state.hasOurFIN ? 1 : 0)
        result.receiveSequence = receiveEnd &- UInt32(length.unread) &- (state.hasPeerFIN ? 1 : 0)
        result.sendQueue = sendQueue
        result.unsentCount = unsentCount
        result.receiveQueue = receiveQueue
        result.maximumSegmentSize = try option.maximumSegmentSize()
        result.isSACKPermitted = options & 2 != 0
        if options & 1 != 0 { result.timestamp = try option.timestamp() }
        if options & 4 != 0 {
            result.windowScale = .init(send: info.tcpi_snd_wscale, receive: info.tcpi_rcv_wscale)
        }
        return result
    }

    /// The end of a queue and its bytes. One byte more than expected is asked for, so that a wrong count shows.
    private func queue(_ which: RepairOption.Queue, _ name: String, count: Int) throws -> (UInt32, [UInt8]) {
        guard count >= 0, count <= limit else {
            throw TCPSocketStateError.queueTooLong(name: name, length: count, limit: limit)
        }
        try option.select(which)
        let end = try option.sequence()
        var bytes = [UInt8](repeating: 0, count: count + 1)
        let found = recv(fd, &bytes, bytes.count, CInt(MSG_PEEK | MSG_DONTWAIT))
        // An empty queue: EAGAIN when it is the receive queue, 0 bytes when it is the send queue.
        if found < 0, errno != EAGAIN { throw SystemError(call: "recv(MSG_PEEK)", code: errno, subject: name) }
        guard max(0, found) == count else {
            throw TCPSocketStateError.inconsistentQueue(name: name, expected: count, found: max(0, found))
        }
        bytes.removeLast()
        return (end, bytes)
    }
}
