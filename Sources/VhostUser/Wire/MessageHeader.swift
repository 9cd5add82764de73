// The 12 bytes that open every vhost-user message (vhost-user specification, "Header"): request,
// flags and payload size, each 32 bits in native byte order. Nothing here knows what a request means.

import Bytes

/// The flags of a message: version in bits 0–1, reply in bit 2, need-reply in bit 3.
public enum MessageFlags: UInt32, Sendable {
    /// A request that is answered only when it has an answer of its own.
    case request = 0x1
    /// A request whose sender asks for a u64 acknowledgement.
    case requestNeedingReply = 0x9
    /// An answer.
    case reply = 0x5
}

/// A header whose flags are legal and whose size is within the limit; the request number may be unknown.
public struct MessageHeader: Equatable, Sendable {
    /// Bytes on the wire.
    public static let byteCount = 12
    /// The largest payload that is accepted, in bytes. The largest that is defined is 2056 (GET_SHMEM_CONFIG).
    public static let maximumPayload = 4096

    /// A number of `Request` or `BackEndRequest`, by channel.
    public let request: UInt32
    /// Version, reply, need-reply.
    public let flags: MessageFlags
    /// Payload bytes that follow, at most `maximumPayload`.
    public let size: Int

    /// What one end of a channel may receive.
    public enum Direction: Sendable { case requests, replies }

    /// - Parameters:
    ///   - request: the request's number.
    ///   - flags: the version and what the message is.
    ///   - size: bytes of the payload.
    public init(request: UInt32, flags: MessageFlags, size: Int) {
        self.request = request
        self.flags = flags
        self.size = min(max(0, size), MessageHeader.maximumPayload)
    }

    /// Reads a header out of at least 12 untrusted bytes.
    public init(parsing bytes: UnsafeRawBufferPointer, as direction: Direction) throws(MessageError) {
        var fields = FieldReader(bytes, of: "header")
        request = try fields.u32()
        let rawFlags = try fields.u32()
        let rawSize = try fields.u32()
        guard let flags = MessageFlags(rawValue: rawFlags), (flags == .reply) == (direction == .replies) else {
            throw .flags(rawFlags, direction)
        }
        guard rawSize <= UInt32(MessageHeader.maximumPayload) else { throw .tooLarge(size: rawSize) }
        self.flags = flags
        size = Int(rawSize)
    }

    /// Appends the 12 bytes.
    func write(to writer: inout FieldWriter) {
        writer.u32(request)
        writer.u32(flags.rawValue)
        writer.u32(UInt32(truncatingIfNeeded: size))
    }
}
