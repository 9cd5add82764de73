// Values that write themselves down and take themselves up by one function, and what is built of them: lists, options,
// texts, points of time, parts with a frame of their own. Every length that is read is bounded by the bytes that are
// there, so that nobody's number allocates.

/// A value of which one function says the bytes, for both directions.
public protocol StateCoded {
    /// What is filled in when the value is read.
    static var blank: Self { get }
    /// Writes the value, or replaces it by what is read.
    mutating func code(_ coder: inout StateCoder) throws(StateError)
}

extension StateCoder {
    /// The value that follows.
    public mutating func value(_ value: inout some StateCoded) throws(StateError) { try value.code(&self) }

    /// A flag, and the value if there is one.
    public mutating func optional<T: StateCoded>(_ value: inout T?) throws(StateError) {
        try optional(&value, T.blank) { coder, some throws(StateError) in try some.code(&coder) }
    }

    /// - Parameter blank: what `body` replaces when the value is read.
    private mutating func optional<T>(
        _ value: inout T?, _ blank: T, _ body: (inout StateCoder, inout T) throws(StateError) -> Void
    ) throws(StateError) {
        var isThere = value != nil
        try flag(&isThere)
        guard isThere else {
            value = nil
            return
        }
        var some = value ?? blank
        try body(&self, &some)
        value = some
    }

    /// A count (32 bits) and the values; read, there are at most `limit`.
    public mutating func list<T: StateCoded>(
        _ values: inout [T], limit: Int, _ name: StaticString
    ) throws(StateError) {
        guard isReading else {
            var count = UInt32(clamping: values.count)
            try integer(&count)
            for var value in values.prefix(Int(count)) { try value.code(&self) }
            return
        }
        let count = try length(limit: limit, name)
        values = []
        for _ in 0..<count {
            var value = T.blank
            try value.code(&self)
            values.append(value)
        }
    }

    /// The count of something that takes a byte or more each: 32 bits, read at most `limit` and no more than bytes are left.
    public mutating func count(_ count: inout Int, atMost limit: Int, _ name: StaticString) throws(StateError) {
        var written = UInt32(clamping: count)
        if isReading { count = try length(limit: limit, name) } else { try integer(&written) }
    }

    private mutating func length(limit: Int, _ name: StaticString) throws(StateError) -> Int {
        var count: UInt32 = 0
        try integer(&count)
        try require(Int(count) <= limit && Int(count) <= decoder.remaining, name)
        return Int(count)
    }

    /// UTF-8 behind its length in bytes, of which `limit` are read.
    public mutating func text(_ text: inout String, limit: Int, _ name: StaticString) throws(StateError) {
        var bytes = Array(text.utf8)
        try data(&bytes, limit: limit)
        guard isReading else { return }
        guard let read = String(validating: bytes, as: UTF8.self) else { throw .impossible("\(name)") }
        text = read
    }

    /// A flag, and the text if there is one.
    public mutating func text(_ text: inout String?, limit: Int, _ name: StaticString) throws(StateError) {
        try optional(&text, "") { coder, some throws(StateError) in try coder.text(&some, limit: limit, name) }
    }

    /// A count (32 bits) and byte strings; read, there are at most `limit` of at most `length` bytes.
    public mutating func strings(
        _ values: inout [[UInt8]], limit: Int, length: Int, _ name: StaticString
    ) throws(StateError) {
        var count = values.count
        try self.count(&count, atMost: limit, name)
        if isReading { values = [] }
        for index in 0..<count {
            var bytes = isReading ? [] : values[index]
            try data(&bytes, limit: length)
            if isReading { values.append(bytes) }
        }
    }

    /// A point of time by its distance from ``now``, 64 bits with a sign; the last one of all is "never". Distances that
    /// the clock of this side cannot show end where the clock does.
    public mutating func instant(_ value: inout Instant) throws(StateError) {
        let (never, start) = (Int64.max, now.nanoseconds)
        var distance = never
        if !isReading, value.nanoseconds != .max {
            let isLater = value.nanoseconds >= start
            let length = isLater ? value.nanoseconds &- start : start &- value.nanoseconds
            distance = isLater ? Int64(clamping: length) : 0 &- Int64(clamping: length)
        }
        try integer(&distance)
        guard isReading else { return }
        let length = distance.magnitude
        let (sum, overflow) = start.addingReportingOverflow(length)
        let later = distance == never || overflow ? .max : sum
        value = Instant(nanoseconds: distance >= 0 ? later : start &- min(start, length))
    }

    /// A point of time, or none.
    public mutating func instant(_ value: inout Instant?) throws(StateError) {
        try optional(&value, now) { coder, some throws(StateError) in try coder.instant(&some) }
    }

    /// A length of time: nanoseconds, 64 bits with a sign.
    public mutating func interval(_ value: inout Interval) throws(StateError) { try integer(&value.nanoseconds) }

    /// A length of time, or none.
    public mutating func interval(_ value: inout Interval?) throws(StateError) {
        try optional(&value, .zero) { coder, some throws(StateError) in try coder.interval(&some) }
    }

    /// A part with its frame, as ``Movable/section(now:)`` has it: kind, version, length. What `body` does not read of it is
    /// an error; so is another kind or version.
    public mutating func section(
        _ kind: String, version: UInt16, _ body: (inout StateCoder) throws(StateError) -> Void
    ) throws(StateError) {
        var inner = isReading ? StateCoder(reading: try decoder.body(of: kind, version)) : StateCoder()
        inner.now = now
        try body(&inner)
        if isReading { return try inner.decoder.finish() }
        encoder.data(kind.utf8.prefix(MovableLimits.kind))
        encoder.integer(version)
        encoder.data(inner.encoder.bytes)
    }
}

extension StateDecoder {
    /// The bytes of a section of this kind and version.
    fileprivate mutating func body(of kind: String, _ version: UInt16) throws(StateError) -> StateDecoder {
        let found = try data(limit: MovableLimits.kind)
        guard found.elementsEqual(kind.utf8) else {
            throw .otherKind(String(decoding: found, as: UTF8.self), expected: kind)
        }
        let given: UInt16 = try integer()
        guard given == version else { throw .otherVersion(given, of: kind, accepted: version...version) }
        return StateDecoder(try data(limit: MovableLimits.state))
    }
}

extension UInt8: StateCoded {
    /// 0.
    public static var blank: UInt8 { 0 }
    /// One byte.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) { try coder.integer(&self) }
}

extension UInt16: StateCoded {
    /// 0.
    public static var blank: UInt16 { 0 }
    /// Two bytes.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) { try coder.integer(&self) }
}

extension UInt64: StateCoded {
    /// 0.
    public static var blank: UInt64 { 0 }
    /// Eight bytes.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) { try coder.integer(&self) }
}

extension Int32: StateCoded {
    /// 0.
    public static var blank: Int32 { 0 }
    /// Four bytes.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) { try coder.integer(&self) }
}

extension SeededGenerator: StateCoded {
    /// The sequence of seed 0.
    public static var blank: SeededGenerator { SeededGenerator(seed: 0) }
}

extension Randomness: StateCoded {
    /// The system's.
    public static var blank: Randomness { .system }
}
