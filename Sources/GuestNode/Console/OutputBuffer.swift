// What the node has written and its user has not yet taken. Bounded: whoever moves bulk data asks
// for room first; lines beyond the limit are dropped and counted, and the loss is told.

/// Bytes on their way to whoever reads the node's console.
struct OutputBuffer: Sendable {
    /// Bulk data waits above this many bytes.
    static let bulkLimit = 65536
    /// Text is dropped above this many bytes.
    static let textLimit = 1 << 20

    /// A line feed leaves as carriage return, line feed: the console is a raw byte stream.
    var addsReturns: Bool
    /// Nobody takes anything any more: what is written is dropped.
    private(set) var isClosed = false
    var bytes: [UInt8] = []
    var lost = 0
    /// The last byte was a line feed, or nothing was written yet.
    var isAtLineStart = true

    init(addsReturns: Bool) { self.addsReturns = addsReturns }

    var isEmpty: Bool { bytes.isEmpty }
    var count: Int { bytes.count }

    /// How many bytes of bulk data may be written now.
    var room: Int { max(0, Self.bulkLimit - bytes.count) }

    mutating func write(_ text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    mutating func write(_ source: UnsafeRawBufferPointer) {
        guard let last = source.last, !isClosed else { return }
        guard bytes.count + source.count <= Self.textLimit else {
            lost += source.count
            return
        }
        if lost > 0 {
            let note = "\n[\(lost) bytes of output lost]\n"
            lost = 0
            write(note)
        }
        guard addsReturns else {
            bytes.append(contentsOf: source)
            isAtLineStart = last == 0x0a
            return
        }
        for byte in source {
            if byte == 0x0a { bytes.append(0x0d) }
            bytes.append(byte)
        }
        isAtLineStart = last == 0x0a
    }

    mutating func close() {
        isClosed = true
        bytes = []
    }

    /// Lends what waits; `body` returns how many bytes it took.
    mutating func drain(_ body: (UnsafeRawBufferPointer) -> Int) {
        guard !bytes.isEmpty else { return }
        let taken = bytes.withUnsafeBytes { body($0) }
        guard taken > 0 else { return }
        if taken >= bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= 4 * Self.bulkLimit)
        } else {
            bytes.removeFirst(taken)
        }
    }
}
