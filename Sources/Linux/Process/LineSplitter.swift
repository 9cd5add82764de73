// A child's output as lines for a terminal: cut, made printable, held to a rate. Pure: bytes and the
// time come in.

/// Cuts bytes into lines.
struct LineSplitter {
    /// Bytes of a line that are kept.
    static let lineLimit = 512

    private var line: [UInt8] = []

    /// Takes bytes in and gives each finished line out.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, _ emit: (String) -> Void) {
        for byte in bytes {
            if byte == 0x0a { flush(emit, evenIfEmpty: true) } else if line.count < Self.lineLimit { line.append(byte) }
        }
    }

    /// The bytes after the last newline are a line, too, once no more can come.
    mutating func finish(_ emit: (String) -> Void) { flush(emit, evenIfEmpty: false) }

    private mutating func flush(_ emit: (String) -> Void, evenIfEmpty: Bool) {
        if line.last == 0x0d { line.removeLast() }
        guard evenIfEmpty || !line.isEmpty else { return }
        emit(Self.printable(line))
        line.removeAll(keepingCapacity: true)
    }

    /// UTF-8 without control characters or direction marks: a child's output must not steer a terminal.
    /// A tab is a space.
    static func printable(_ bytes: [UInt8]) -> String {
        var text = String.UnicodeScalarView()
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar.value {
            case 0x09: text.append(" ")
            case 0..<0x20, 0x7f..<0xa0, 0x202a...0x202e, 0x2066...0x2069: text.append("?")
            default: text.append(scalar)
            }
        }
        return String(text)
    }
}

/// How many lines may pass: a burst, then so many per second.
struct LineLimit {
    static let burst = 256
    static let perSecond: UInt64 = 64

    private var allowance = Self.burst
    private var refilledAt: UInt64
    private var dropped = 0

    init(now: UInt64) { refilledAt = now }

    /// Whether one more line may pass at `now` (nanoseconds).
    mutating func admit(now: UInt64) -> Bool {
        refill(now)
        guard allowance > 0 else {
            dropped += 1
            return false
        }
        allowance -= 1
        return true
    }

    /// Lines that were refused since this was last asked.
    mutating func takeDropped() -> Int {
        defer { dropped = 0 }
        return dropped
    }

    private mutating func refill(_ now: UInt64) {
        let step = 1_000_000_000 / Self.perSecond
        guard now > refilledAt, (now - refilledAt) / step > 0 else { return }
        let earned = min((now - refilledAt) / step, UInt64(Self.burst))
        allowance = min(Self.burst, allowance + Int(earned))
        refilledAt = now
    }
}
