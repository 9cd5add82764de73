// DNS names and messages: golden bytes, compression, and everything a hostile server may write.

import Bytes
import Testing

@testable import NetStack

@Suite struct DNSNameTests {
    private static func read(_ bytes: [UInt8], at offset: Int = 0) -> Result<DNSName, WireError> {
        bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw, at: offset)
            do throws(WireError) { return .success(try DNSName(&reader)) } catch { return .failure(error) }
        }
    }

    @Test("text and wire, both directions")
    func both() throws {
        let wire: [UInt8] = [3, 0x77, 0x77, 0x77, 2, 0x61, 0x62, 0]  // www.ab
        let name = try #require(DNSName("www.ab"))
        #expect(bytes { try name.write(to: &$0) } == wire)
        #expect(try Self.read(wire).get() == name)
        #expect(name.size == wire.count)
        #expect(try Self.read([3, 0x57, 0x57, 0x77, 2, 0x41, 0x62, 0]).get() == name, "case does not count")
        #expect(DNSName("www.ab.") == name)
    }

    @Test("what is no host name is refused", arguments: ["", ".", "a..b", ".a", "a b", "ü.de", "a\u{0}b", "x@y"])
    func badText(text: String) { #expect(DNSName(text) == nil) }

    @Test("labels of 63 and names of 255 are the limit")
    func limits() throws {
        let label = String(repeating: "a", count: 63)
        #expect(DNSName(label) != nil)
        #expect(DNSName(label + "a") == nil)
        let long = [label, label, label, String(repeating: "b", count: 61)].joined(separator: ".")
        #expect(DNSName(long)?.size == 255)
        #expect(DNSName(long + "b") == nil)
        let more = try #require(DNSName("c"))
        #expect(DNSName(long)?.appending(more) == nil)
        #expect(DNSName(label)?.appending(more)?.labels.count == 2)
    }

    @Test("a pointer leads to an earlier name, and reading goes on behind it")
    func pointer() throws {
        let wire: [UInt8] = [1, 0x61, 0, 1, 0x62, 0xc0, 0x00, 0x7f]  // a. at 0, b → 0 at 3
        try wire.withUnsafeBytes { raw throws in
            var reader = ByteReader(raw, at: 3)
            #expect(try DNSName(&reader).description == "b.a")
            #expect(reader.offset == 7)
        }
    }

    @Test("pointers to themselves, forward, or in a ring are refused")
    func loops() {
        #expect(throws: WireError.invalid(field: .dnsPointer, value: 0)) { try Self.read([0xc0, 0x00]).get() }
        #expect(throws: WireError.invalid(field: .dnsPointer, value: 2)) { try Self.read([0xc0, 0x02, 0]).get() }
        // a. then back to the label before the pointer: would never end.
        #expect(throws: WireError.invalid(field: .dnsPointer, value: 0)) {
            try Self.read([1, 0x61, 0xc0, 0x00]).get()
        }
        // Two pointers at each other.
        #expect(throws: WireError.self) { try Self.read([0xc0, 0x02, 0xc0, 0x00], at: 2).get() }
    }

    @Test("a chain of pointers that ends is followed, one that grows beyond 255 bytes is refused")
    func chains() throws {
        var wire: [UInt8] = [0]
        var previous = 0
        for _ in 0..<127 {
            let start = wire.count
            wire += [1, 0x61, 0xc0 | UInt8(previous >> 8), UInt8(previous & 0xff)]
            previous = start
        }
        #expect(try Self.read(wire, at: previous).get().labels.count == 127)
        wire += [1, 0x61, 0xc0 | UInt8(previous >> 8), UInt8(previous & 0xff)]
        #expect(throws: WireError.invalid(field: .dnsName, value: 1)) { try Self.read(wire, at: wire.count - 4).get() }
    }

    @Test("truncated names and reserved label types are refused")
    func refused() {
        let wire: [UInt8] = [3, 0x77, 0x77, 0x77, 2, 0x61, 0x62, 0]
        expectTruncations(wire, of: wire.count) { r throws(WireError) in try DNSName(&r) }
        #expect(throws: WireError.invalid(field: .dnsName, value: 0x40)) { try Self.read([0x40, 0]).get() }
        #expect(throws: WireError.invalid(field: .dnsName, value: 0x80)) { try Self.read([0x80, 0]).get() }
    }

    @Test("bytes that a terminal would obey are shown as numbers")
    func escapes() throws {
        let name = try Self.read([4, 0x1b, 0x5b, 0x2e, 0x41, 1, 0xff, 0]).get()
        #expect(name.description == "\\027[\\046A.\\255")
    }
}

@Suite struct DNSMessageTests {
    static let golden: [UInt8] = [
        0x12, 0x34, 0x81, 0x80,  // id; response, recursion desired and available, no error
        0x00, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00,  // one question, two answers
        3, 0x77, 0x77, 0x77, 2, 0x61, 0x62, 0,  // www.ab (at 12; ab at 16)
        0x00, 0x01, 0x00, 0x01,  // A, IN
        0xc0, 0x0c, 0x00, 0x05, 0x00, 0x01,  // www.ab, CNAME, IN
        0x00, 0x00, 0x00, 0x3c, 0x00, 0x04,  // 60 s, 4 bytes
        1, 0x78, 0xc0, 0x10,  // x.ab
        0xc0, 0x24, 0x00, 0x01, 0x00, 0x01,  // x.ab (at 36), A, IN
        0x00, 0x00, 0x00, 0x3c, 0x00, 0x04,  // 60 s, 4 bytes
        0xc0, 0x00, 0x02, 0x01,  // 192.0.2.1
    ]
    private static func read(_ bytes: [UInt8]) -> Result<DNSMessage, WireError> {
        bytes.withUnsafeBytes { raw in
            do throws(WireError) { return .success(try DNSMessage(raw)) } catch { return .failure(error) }
        }
    }

    @Test("golden bytes with compression")
    func golden() throws {
        let message = try Self.read(Self.golden).get()
        let www = try #require(DNSName("www.ab"))
        let x = try #require(DNSName("x.ab"))
        #expect(message.id == 0x1234)
        #expect(message.isResponse && message.recursionAvailable && !message.isTruncated)
        #expect(message.questions == [DNSQuestion(www, .a)])
        #expect(
            message.answers == [
                DNSRecord(www, timeToLive: 60, .alias(x)),
                DNSRecord(x, timeToLive: 60, .address(IPv4Address(192, 0, 2, 1))),
            ])
    }

    @Test("every truncation is refused")
    func truncated() {
        for count in 0..<Self.golden.count {
            #expect(throws: WireError.self, "\(count) bytes") { try Self.read(Array(Self.golden.prefix(count))).get() }
        }
    }

    @Test("a message marked truncated keeps the answers that are whole")
    func marked() throws {
        var cut = Array(Self.golden.dropLast(2))
        cut[2] |= 0x02
        let message = try Self.read(cut).get()
        #expect(message.isTruncated)
        #expect(message.answers.count == 1)
    }

    @Test("65535 records in twelve bytes end at once")
    func counts() {
        #expect(throws: WireError.self) {
            try Self.read([0, 1, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]).get()
        }
    }

    @Test("data lengths that do not fit their type are refused")
    func lengths() {
        var wrong = Self.golden
        wrong[51] = 3  // an address of three bytes
        #expect(throws: WireError.self) { try Self.read(wrong).get() }
        wrong = Self.golden
        wrong[35] = 5  // an alias that ends before its data
        #expect(throws: WireError.self) { try Self.read(wrong).get() }
    }

    @Test("what is written is read back")
    func roundTrip() throws {
        let name = try #require(DNSName("Host-1.example"))
        let query = DNSMessage(id: 7, query: DNSQuestion(name, .a))
        #expect(try Self.read(bytes { try query.write(to: &$0) }).get() == query)
        var answer = DNSMessage(
            answering: query,
            [
                DNSRecord(name, timeToLive: 1, .alias(name)), DNSRecord(name, timeToLive: .max, .address(wireA)),
                DNSRecord(name, timeToLive: 0, .other(DNSType(rawValue: 28))),
            ], responseCode: 3)
        answer.opcode = 2
        #expect(try Self.read(bytes { try answer.write(to: &$0) }).get() == answer)
    }
}
