// Values that code themselves: both directions agree, and no length of a stranger is believed.

import Bytes
import Testing

struct StateCodedTests {
    private func written(now: UInt64 = 0, _ body: (inout StateCoder) throws(StateError) -> Void) throws -> [UInt8] {
        var coder = StateCoder()
        coder.now = Instant(nanoseconds: now)
        try body(&coder)
        return coder.encoder.bytes
    }

    private func reader(_ bytes: [UInt8], now: UInt64 = 0) -> StateCoder {
        var coder = StateCoder(reading: StateDecoder(bytes))
        coder.now = Instant(nanoseconds: now)
        return coder
    }

    private struct Case: Sendable {
        var (now, time, later, expected): (UInt64, UInt64, UInt64, UInt64)
        init(_ now: UInt64, _ time: UInt64, _ later: UInt64, _ expected: UInt64) {
            (self.now, self.time, self.later, self.expected) = (now, time, later, expected)
        }
    }

    private static let half: UInt64 = 1 << 63
    private static let last = UInt64.max
    private static let cases: [Case] = [
        Case(1000, 1500, 70, 570), Case(1000, 400, 5000, 4400), Case(1000, 400, 100, 0), Case(1000, last, 5, last),
        Case(0, half, 9, last), Case(half, 0, half, 1), Case(0, last - 1, 0, last), Case(5, 1 << 40, last - 1, last),
    ]

    @Test("a point of time keeps its distance from now; what the other clock cannot show ends where it does")
    func instants() throws {
        for one in Self.cases {
            var value = Instant(nanoseconds: one.time)
            let bytes = try written(now: one.now) { (coder) throws(StateError) in try coder.instant(&value) }
            var read = reader(bytes, now: one.later)
            try read.instant(&value)
            #expect(value.nanoseconds == one.expected, "\(one)")
        }
    }

    @Test("lists, options, texts and byte strings come back as they were")
    func round() throws {
        var (list, some, none): ([UInt16], UInt64?, UInt8?) = ([1, 2, 65535], 7, nil)
        var (text, missing, strings): (String, String?, [[UInt8]]) = ("grüß", nil, [[], [1, 2]])
        func all(_ coder: inout StateCoder) throws(StateError) {
            try coder.list(&list, limit: 3, "list")
            try coder.optional(&some)
            try coder.optional(&none)
            try coder.text(&text, limit: 6, "text")
            try coder.text(&missing, limit: 6, "text")
            try coder.strings(&strings, limit: 2, length: 2, "strings")
        }
        let bytes = try written { (coder) throws(StateError) in try all(&coder) }
        (list, some, none, text, missing, strings) = ([], nil, 1, "", "x", [])
        var read = reader(bytes)
        try all(&read)
        #expect(list == [1, 2, 65535] && some == 7 && none == nil)
        #expect(text == "grüß" && missing == nil && strings == [[], [1, 2]] && read.decoder.remaining == 0)
    }

    @Test("a count that the bytes cannot hold, a text that is none, a random sequence that stands still are refused")
    func refused() throws {
        var list: [UInt8] = []
        let long: [UInt8] = [0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        let wrong: [[UInt8]] = [[255, 255, 255, 255, 1], [0, 0, 0, 3, 1, 2], long]
        for bytes in wrong {
            var read = reader(bytes)
            #expect(throws: StateError.impossible("list")) { try read.list(&list, limit: 8, "list") }
        }
        var text = ""
        var read = reader([0, 0, 0, 1, 0xff])
        #expect(throws: StateError.impossible("text")) { try read.text(&text, limit: 8, "text") }
        var random = SeededGenerator(seed: 1)
        read = reader([UInt8](repeating: 0, count: 32))
        #expect(throws: StateError.self) { try random.code(&read) }
    }

    @Test("random numbers go on where they stood; nobody's state takes the place of the system's")
    func random() throws {
        var (source, system) = (Randomness.seeded(4), Randomness.system)
        _ = source.next()
        let bytes = try written { (coder) throws(StateError) in try source.code(&coder) }
        var successor = Randomness.seeded(5)
        var read = reader(bytes)
        try successor.code(&read)
        #expect(successor.next() == source.next())
        read = reader(bytes)
        #expect(throws: StateError.impossible("source of random numbers")) { try system.code(&read) }
    }

    @Test("a part's frame: another kind, another version, a rest")
    func sections() throws {
        var value: UInt16 = 513
        func section(_ coder: inout StateCoder, _ kind: String, _ version: UInt16) throws(StateError) {
            try coder.section(kind, version: version) { (coder) throws(StateError) in try value.code(&coder) }
        }
        let bytes = try written { (coder) throws(StateError) in try section(&coder, "part", 2) }
        var read = reader(bytes)
        try section(&read, "part", 2)
        #expect(value == 513 && read.decoder.remaining == 0)
        read = reader(bytes)
        #expect(throws: StateError.otherKind("part", expected: "whole")) { try section(&read, "whole", 2) }
        read = reader(bytes)
        #expect(throws: StateError.otherVersion(2, of: "part", accepted: 3...3)) { try section(&read, "part", 3) }
        read = reader(bytes)
        #expect(throws: StateError.trailing(count: 2)) {
            try read.section("part", version: 2) { (_) throws(StateError) in }
        }
        for length in 0..<bytes.count {
            read = reader(Array(bytes[..<length]))
            #expect(throws: StateError.self) { try section(&read, "part", 2) }
        }
    }
}
