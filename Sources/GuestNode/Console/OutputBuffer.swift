// What the node has written and its user has not yet taken. Bounded: whoever moves bulk data asks
// for room first; lines beyond the limit are dropped and counted, and the loss is told.

/// What a byte of a session's output is, as a shell's two streams tell it.
public enum OutputKind: Sendable {
    /// Standard output.
    case data
    /// Standard error: what a tool or the shell complains of.
    case complaint
}

/// Bytes on their way to whoever reads the node's console.
struct OutputBuffer: Sendable {
    /// Bulk data waits above this many bytes.
    static let bulkLimit = 65536
    /// Text is dropped above this many bytes.
    static let textLimit = 1 << 20

    /// It is a terminal's: a raw byte stream in which a line feed leaves as carriage return, line feed, and both kinds
    /// of output are one.
    var isTerminal: Bool
    /// Nobody takes anything any more: what is written is dropped.
    private(set) var isClosed = false
    var bytes: [UInt8] = []
    /// How many bytes are of one kind, in order.
    var runs: [Run] = []
    var lost = 0
    /// The last byte was a line feed, or nothing was written yet.
    var isAtLineStart = true
    var isComplaintAtLineStart = true

    /// Bytes of one kind behind each other.
    struct Run: Sendable {
        var kind: OutputKind
        var count: Int
    }

    init(isTerminal: Bool) { self.isTerminal = isTerminal }

    var isEmpty: Bool { bytes.isEmpty }
    var count: Int { bytes.count }

    /// How many bytes of bulk data may be written now.
    var room: Int { max(0, Self.bulkLimit - bytes.count) }

    /// A complaint begins a line where it is read.
    var isAtLineStartForComplaint: Bool { isTerminal ? isAtLineStart : isComplaintAtLineStart }

    mutating func write(_ text: String, _ kind: OutputKind = .data) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0), kind) }
    }

    mutating func write(_ source: UnsafeRawBufferPointer, _ kind: OutputKind = .data) {
        guard let last = source.last, !isClosed else { return }
        guard bytes.count + source.count <= Self.textLimit else {
            lost += source.count
            return
        }
        if lost > 0 {
            let note = "\n[\(lost) bytes of output lost]\n"
            lost = 0
            write(note, .complaint)
        }
        let before = bytes.count
        if isTerminal {
            for byte in source {
                if byte == 0x0a { bytes.append(0x0d) }
                bytes.append(byte)
            }
        } else {
            bytes.append(contentsOf: source)
        }
        note(isTerminal ? .data : kind, bytes.count - before, endsLine: last == 0x0a)
    }

    private mutating func note(_ kind: OutputKind, _ count: Int, endsLine: Bool) {
        if kind == .data { isAtLineStart = endsLine } else { isComplaintAtLineStart = endsLine }
        if let last = runs.indices.last, runs[last].kind == kind {
            runs[last].count += count
        } else {
            runs.append(Run(kind: kind, count: count))
        }
    }

    mutating func close() {
        isClosed = true
        bytes = []
        runs = []
    }

    /// Lends what waits, of whatever kind; `body` returns how many bytes it took.
    mutating func drain(_ body: (UnsafeRawBufferPointer) -> Int) {
        guard !bytes.isEmpty else { return }
        forget(bytes.withUnsafeBytes { body($0) })
    }

    /// Lends what waits of one kind, in front of the other; `body` returns how many bytes it took.
    mutating func drainRun(_ body: (UnsafeRawBufferPointer, OutputKind) -> Int) {
        guard let first = runs.first else { return }
        forget(bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0.prefix(first.count)), first.kind) })
    }

    private mutating func forget(_ taken: Int) {
        guard taken > 0 else { return }
        var rest = taken
        while let first = runs.first, rest >= first.count {
            rest -= first.count
            runs.removeFirst()
        }
        if rest > 0, !runs.isEmpty { runs[0].count -= rest }
        if taken >= bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= 4 * Self.bulkLimit)
        } else {
            bytes.removeFirst(taken)
        }
    }
}
