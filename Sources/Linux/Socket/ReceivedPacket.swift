// Bytes with descriptors on a socket (SCM_RIGHTS, unix(7)). What arrives is close-on-exec and owned
// at once, so that no error path can leak it.

import CLinux
import Glibc

/// What one receive gave.
public struct ReceivedPacket: Sendable {
    /// Bytes written to the room; 0 is the end of file.
    public let count: Int
    /// What came along, in order.
    public let descriptors: [SharedDescriptor]
    /// The peer sent more descriptors than there was room for; the rest is closed.
    public let isTruncated: Bool
}

extension UnixSocket {
    /// The kernel's limit of descriptors in one message.
    public static let descriptorLimit = Int(NE_MAX_FDS)

    /// Sends `bytes` with descriptors (borrowed). How many bytes were taken; nil when the socket is full.
    public static func send(_ socket: CInt, _ bytes: UnsafeRawBufferPointer, descriptors: [CInt] = [])
        throws(SystemError) -> Int?
    {
        var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        var count: Int
        repeat {
            count = ne_send_fds(socket, &vector, 1, descriptors, descriptors.count, CInt(MSG_DONTWAIT))
        } while count == -Int(EINTR)
        if count == -Int(EAGAIN) { return nil }
        return try check(count, "sendmsg")
    }

    /// Sends all of `bytes` as one message with descriptors (borrowed); false when the socket is full.
    public static func send(_ socket: CInt, message bytes: [UInt8], descriptors: [CInt] = []) throws(SystemError)
        -> Bool
    {
        let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(SystemError) in try send(socket, bytes, descriptors: descriptors) }
        }
        return try result.get() != nil
    }

    /// Receives into `room` with at most `limit` descriptors; nil when there is nothing to receive.
    public static func receive(_ socket: CInt, into room: UnsafeMutableRawBufferPointer, descriptorLimit limit: Int = 0)
        throws(SystemError) -> ReceivedPacket?
    {
        var vector = iovec(iov_base: room.baseAddress, iov_len: room.count)
        var numbers = [CInt](repeating: -1, count: max(1, limit))
        var found = limit
        var isTruncated: CInt = 0
        var count: Int
        repeat {
            found = limit
            count = ne_receive_fds(
                socket, &vector, 1, &numbers, &found, &isTruncated, CInt(MSG_DONTWAIT))
        } while count == -Int(EINTR)
        if count == -Int(EAGAIN) { return nil }
        let owned = numbers.prefix(found).map { SharedDescriptor(FileDescriptor(owning: $0)) }
        return ReceivedPacket(
            count: try check(count, "recvmsg"), descriptors: Array(owned), isTruncated: isTruncated != 0)
    }
}
