// passt's device state: the golden one is what passt 2026_07_28 gave with one connection of which 17 bytes were unread.

import Linux
import Testing

@testable import PasstLauncher

@Suite("passt's device state") struct PasstStateTests {
    private static func hex(_ text: String) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    private static let header = "b1bb1d1b0bb1d1b0 00000002 00000002"
    private static let addresses = String(repeating: "00", count: 32) + "0a630001 525400123456"
    private static let mapped = "00000000000000000000ffff"
    private static let record =
        "0201 \(mapped)0a6300fe \(mapped)0a630001 611e 419c \(mapped)7f000001 \(mapped)7f000001 16ea 611e"
        + "00 07 08 04 000005b4 0000010e 12 00 faf0 0100 76233019 76233008 000f4251 000f4251 000f4240"
    private static let sizes =
        "8a36de35 55323569 00000000 00000000 00000011 000005b4 4c5ea404 55323569 00010000 00010000 0000fc00 5532357a"
        + "0a 0a 01 07"
    private static let queue = "70656e64696e6720666f72206775657374"
    private static let golden = hex(header + addresses + "00000001" + record + sizes + queue)

    private func end(_ text: String, _ port: UInt16) throws -> InternetSocketAddress {
        try #require(InternetSocketAddress(text, port: port))
    }

    @Test("the connection with its ends and what lay in its queues")
    func golden() throws {
        #expect(Self.golden.count == 243)
        let flow = try #require(try PasstState(Self.golden, ports: .little).flows.first)
        #expect(flow.guest == (try end("10.99.0.1", 40001)))
        #expect(flow.local == (try end("127.0.0.1", 59926)))
        #expect(flow.remote == (try end("127.0.0.1", 7777)))
        #expect(flow.sendQueue == 0 && flow.receiveQueue == 17 && !flow.isSkipped)
        #expect("\(flow)" == "10.99.0.1:40001 to 127.0.0.1:7777")
    }

    @Test("ports stand as their host keeps numbers, everything else does not")
    func portOrder() throws {
        var other = Self.golden
        for start in [62 + 34, 62 + 36, 62 + 70, 62 + 72] { other.swapAt(start, start + 1) }
        #expect(try PasstState(other, ports: .big) == PasstState(Self.golden, ports: .little))
        #expect(try PasstState(other, ports: .little) != PasstState(Self.golden, ports: .little))
    }

    @Test("every part of it ends with an error that says where")
    func truncations() {
        for count in 0..<Self.golden.count {
            #expect(throws: PasstStateError.truncated(at: count)) { _ = try PasstState(Array(Self.golden[..<count])) }
        }
        #expect(throws: PasstStateError.rest(1)) { _ = try PasstState(Self.golden + [0]) }
    }

    @Test("no connection, one that the source could not read, several, IPv6")
    func others() throws {
        #expect(try PasstState(Self.hex(Self.header + Self.addresses + "00000000")).flows.isEmpty)
        let skipped = Self.sizes.dropLast(5) + "0007"
        let two = Self.hex(
            Self.header + Self.addresses + "00000002" + Self.record + Self.record + skipped + Self.sizes + Self.queue)
        let flows = try PasstState(two).flows
        #expect(flows.map(\.isSkipped) == [true, false])
        #expect(flows.map(\.receiveQueue) == [0, 17])
        let six = Self.record.replacing(Self.mapped + "7f000001", with: "20010db8000000000000000000000001")
            .replacing("0201", with: "0102", maxReplacements: 1)
        let flow = try #require(
            try PasstState(Self.hex(Self.header + Self.addresses + "00000001" + six + Self.sizes + Self.queue)).flows
                .first)
        #expect(flow.guest == (try end("2001:db8::1", PasstState.PortOrder.native == .little ? 7777 : 0x611e)))
    }

    @Test("what is somebody else's is not read")
    func foreign() throws {
        var bytes = Self.golden
        bytes[0] = 0
        #expect(throws: PasstStateError.notPasst) { _ = try PasstState(bytes) }
        func versions(_ version: UInt8, _ oldest: UInt8) -> [UInt8] {
            var bytes = Self.golden
            (bytes[11], bytes[15]) = (version, oldest)
            return bytes
        }
        #expect(throws: PasstStateError.version(1)) { _ = try PasstState(versions(1, 1)) }
        #expect(throws: PasstStateError.version(3)) { _ = try PasstState(versions(3, 3)) }
        #expect(try PasstState(versions(3, 2) + [1, 2, 3]).flows.count == 1)
    }

    @Test("a count and queues beyond everything allocate nothing")
    func bounds() {
        let many = Self.hex(Self.header + Self.addresses + "ffffffff" + Self.record)
        #expect(throws: PasstStateError.tooMany(.max)) { _ = try PasstState(many) }
        let some = Self.hex(Self.header + Self.addresses + "00020000" + Self.record)
        #expect(throws: PasstStateError.truncated(at: some.count)) { _ = try PasstState(some) }
        let queue = Self.hex(
            Self.header + Self.addresses + "00000001" + Self.record
                + Self.sizes.replacing("00000000 00000000 00000011", with: "ffffffff 00000000 ffffffff"))
        #expect(throws: PasstStateError.truncated(at: queue.count)) { _ = try PasstState(queue) }
    }

    @Test("20,000 changed states are read or refused")
    func changed() {
        var random: UInt64 = 1
        func next(_ limit: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(random >> 33) % limit
        }
        for _ in 0..<20_000 {
            var bytes = Self.golden
            for _ in 0...next(4) { bytes[next(bytes.count)] = UInt8(next(256)) }
            _ = try? PasstState(Array(bytes.prefix(next(2) == 0 ? bytes.count : next(bytes.count))))
        }
    }
}
