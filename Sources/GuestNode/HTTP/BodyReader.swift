// A response's body out of a stream (RFC 9112, 6 and 7.1): knows how much is still to come and
// which bytes are content. Chunk sizes are checked, extensions, trailers and stray carriage returns
// skipped within limits.

/// A body being read.
struct BodyReader: Equatable, Sendable {
    enum State: Equatable {
        case length(left: UInt64)
        case untilClose
        /// `digits` of a chunk size were read.
        case size(UInt64, digits: Int)
        /// Rest of the line after a chunk size; its carriage return has come.
        case sizeRest(UInt64, hasReturn: Bool)
        case data(left: UInt64)
        case dataEnd(hasReturn: Bool)
        case trailer(lineLength: Int)
        case complete
    }

    var state: State
    /// Bytes of extensions and trailers so far, and carriage returns beyond one a line.
    var overhead = 0
    static let overheadLimit = 65536

    init(_ framing: BodyFraming) {
        switch framing {
        case .none, .length(0): state = .complete
        case .length(let count): state = .length(left: count)
        case .chunked: state = .size(0, digits: 0)
        case .untilClose: state = .untilClose
        }
    }

    var isComplete: Bool { state == .complete }
    /// The end of the stream is the end of the body.
    var endsWithStream: Bool { state == .untilClose || state == .complete }
    /// Bytes of content still to come, when that is known.
    var missing: UInt64? {
        if case .length(let left) = state { return left }
        return nil
    }

    /// Takes bytes of the stream up to the end of the body and hands content to `content`, which
    /// returns false to stop. Returns how many bytes were taken.
    mutating func accept(
        _ span: UnsafeRawBufferPointer, _ content: (UnsafeRawBufferPointer) -> Bool
    ) throws(HTTPError) -> Int {
        var taken = 0
        while taken < span.count, state != .complete {
            let rest = UnsafeRawBufferPointer(rebasing: span[taken...])
            if let length = contentLength(rest.count) {
                let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(length))
                guard content(piece) else { return taken }
                consume(length)
                taken += length
            } else {
                try accept(rest[0])
                taken += 1
            }
        }
        return taken
    }

    /// How many of the next `available` bytes are content; nil when the next byte is framing.
    private func contentLength(_ available: Int) -> Int? {
        switch state {
        case .length(let left), .data(let left): Int(min(UInt64(available), left))
        case .untilClose: available
        default: nil
        }
    }

    private mutating func consume(_ count: Int) {
        switch state {
        case .length(let left): state = left == UInt64(count) ? .complete : .length(left: left &- UInt64(count))
        case .data(let left):
            state = left == UInt64(count) ? .dataEnd(hasReturn: false) : .data(left: left &- UInt64(count))
        default: break
        }
    }

    private mutating func accept(_ byte: UInt8) throws(HTTPError) {
        switch state {
        case .size(let size, let digits): try acceptSize(byte, size, digits)
        case .sizeRest(let size, let hasReturn):
            if byte == 0x0a {
                state = size == 0 ? .trailer(lineLength: 0) : .data(left: size)
            } else {
                if byte != 0x0d || hasReturn { try countOverhead() }
                state = .sizeRest(size, hasReturn: hasReturn || byte == 0x0d)
            }
        case .dataEnd(let hasReturn):
            if byte == 0x0a {
                state = .size(0, digits: 0)
            } else {
                guard byte == 0x0d else { throw .badChunk }
                if hasReturn { try countOverhead() }
                state = .dataEnd(hasReturn: true)
            }
        case .trailer(let length):
            try countOverhead()
            if byte == 0x0a {
                state = length == 0 ? .complete : .trailer(lineLength: 0)
            } else if byte != 0x0d {
                state = .trailer(lineLength: length + 1)
            }
        case .length, .untilClose, .data, .complete: break
        }
    }

    private mutating func acceptSize(_ byte: UInt8, _ size: UInt64, _ digits: Int) throws(HTTPError) {
        if let digit = Self.hexadecimal(byte) {
            guard digits < 15 else { throw .badChunk }
            state = .size(size << 4 | UInt64(digit), digits: digits + 1)
            return
        }
        guard digits > 0, byte == 0x0d || byte == 0x0a || byte == ascii(";") || byte == 0x20 || byte == 0x09 else {
            throw .badChunk
        }
        state = .sizeRest(size, hasReturn: byte == 0x0d)
        if byte == 0x0a { try accept(byte) }
    }

    private mutating func countOverhead() throws(HTTPError) {
        overhead += 1
        guard overhead <= Self.overheadLimit else { throw .badChunk }
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
