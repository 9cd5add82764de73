// What waits to go out on a non-blocking socket. A message goes in one sendmsg where the kernel takes
// it whole (some back-ends cannot read a header in pieces); descriptors travel with its first byte.
// The queue is bounded: a back-end that does not read is given up, never waited for.

import Linux

/// A bounded queue of encoded messages with their descriptors.
struct SendQueue {
    private struct Entry {
        let bytes: [UInt8]
        let attachments: [Attachment]
        var sent = 0

        /// Sends the rest, or a part of it; nil when the socket is full.
        func send(to socket: CInt) throws(SystemError) -> Int? {
            let descriptors = sent == 0 ? attachments.map(\.raw) : []
            let result = bytes.withUnsafeBytes { raw in
                Result { () throws(SystemError) in
                    try UnixSocket.send(
                        socket, UnsafeRawBufferPointer(rebasing: raw[sent...]), descriptors: descriptors)
                }
            }
            return try result.get()
        }
    }

    private var entries: [Entry] = []
    private(set) var waitingBytes = 0
    let limit: Int

    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { entries.isEmpty }

    /// Queues a message; false when that would exceed the limit.
    mutating func push(_ bytes: [UInt8], _ attachments: [Attachment]) -> Bool {
        guard waitingBytes + bytes.count <= limit else { return false }
        entries.append(Entry(bytes: bytes, attachments: attachments))
        waitingBytes += bytes.count
        return true
    }

    /// Sends what the socket takes now.
    mutating func flush(to socket: CInt) throws(SystemError) {
        while var entry = entries.first {
            guard let sent = try entry.send(to: socket) else { return }
            entry.sent += sent
            waitingBytes -= sent
            if entry.sent >= entry.bytes.count { entries.removeFirst() } else { entries[0] = entry }
        }
    }
}
