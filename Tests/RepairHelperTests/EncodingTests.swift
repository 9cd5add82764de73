// A socket's state as bytes: golden, round trips, every truncation, every lie.

import Bytes
import Linux
import Testing

@testable import RepairHelper

private func sample(_ state: MovableState = .established) throws -> TCPSocketState {
    let local = try #require(InternetSocketAddress("192.0.2.1", port: 0x1234))
    let remote = try #require(InternetSocketAddress("198.51.100.7", port: 443))
    let window = RepairWindow(lastUpdateSequence: 1, send: 2, sendMaximum: 3, receive: 4, receiveLastUpdate: 5)
    var value = TCPSocketState(local: local, remote: remote, state: state, window: window)
    value.sendSequence = 0xffff_fff0
    value.receiveSequence = 0x0102_0304
    value.maximumSegmentSize = 1460
    value.windowScale = .init(send: 7, receive: 14)
    value.isSACKPermitted = true
    value.timestamp = 0xdead_beef
    value.sendQueue = [1, 2, 3]
    value.unsentCount = 1
    value.receiveQueue = [9]
    return value
}

@Suite("Encoded TCP connections")
struct EncodingTests {
    static let golden: [UInt8] =
        [0, 1]  // version
        + [1]  // ESTABLISHED
        + [0, 0, 0, 4, 192, 0, 2, 1] + [0x12, 0x34] + [0, 0, 0, 0]  // local address, port, scope
        + [0, 0, 0, 4, 198, 51, 100, 7] + [1, 187] + [0, 0, 0, 0]  // remote
        + [0xff, 0xff, 0xff, 0xf0]  // first byte of the send queue
        + [1, 2, 3, 4]  // first byte of the receive queue
        + [0x05, 0xb4]  // segment size
        + [1, 7, 14]  // window scales
        + [1]  // SACK
        + [1, 0xde, 0xad, 0xbe, 0xef]  // timestamp
        + [0, 0, 0, 1] + [0, 0, 0, 2] + [0, 0, 0, 3] + [0, 0, 0, 4] + [0, 0, 0, 5]  // windows
        + [0, 0, 0, 3, 1, 2, 3]  // send queue
        + [0, 0, 0, 1]  // of it unsent
        + [0, 0, 0, 1, 9]  // receive queue

    @Test("the bytes are these, in both directions")
    func goldenBytes() throws {
        #expect(try sample().encoded == Self.golden)
        #expect(try TCPSocketState(decoding: Self.golden) == sample())
    }

    @Test("every state and every combination of options survives", arguments: MovableState.allCases)
    func roundTrip(_ state: MovableState) throws {
        for mask in 0..<8 {
            var value = try sample(state)
            if mask & 1 != 0 { value.windowScale = nil }
            if mask & 2 != 0 { value.timestamp = nil }
            value.isSACKPermitted = mask & 4 == 0
            value.local = try #require(
                InternetSocketAddress("fe80::1", port: 1).flatMap {
                    InternetSocketAddress(address: $0.address, port: 1, scope: 3)
                })
            value.remote = try #require(InternetSocketAddress("2001:db8::2", port: 65535))
            #expect(try TCPSocketState(decoding: value.encoded) == value)
        }
    }

    @Test("no truncation is taken for a connection")
    func truncations() {
        for length in 0..<Self.golden.count {
            #expect(throws: TCPSocketStateError.self, "\(length) bytes") {
                try TCPSocketState(decoding: Self.golden.prefix(length))
            }
        }
        #expect(throws: TCPSocketStateError.self) { try TCPSocketState(decoding: Self.golden + [0]) }
    }

    @Test("a lie is refused with its value")
    func lies() {
        func altered(_ at: Int, _ value: UInt8) -> [UInt8] {
            var bytes = Self.golden
            bytes[at] = value
            return bytes
        }
        #expect(throws: TCPSocketStateError.unknownVersion(2)) { try TCPSocketState(decoding: altered(1, 2)) }
        #expect(throws: TCPSocketStateError.notMovable(state: 10)) { try TCPSocketState(decoding: altered(2, 10)) }
        #expect(throws: TCPSocketStateError.self) { try TCPSocketState(decoding: altered(6, 200)) }  // address length
        #expect(throws: TCPSocketStateError.malformed("window scale 7/15; at most 14 is accepted")) {
            try TCPSocketState(decoding: altered(43, 15))
        }
        let unsent = Self.golden.count - 6
        #expect(throws: TCPSocketStateError.malformed("4 unsent of 3 bytes")) {
            try TCPSocketState(decoding: altered(unsent, 4))
        }
        #expect(throws: TCPSocketStateError.self) { try TCPSocketState(decoding: Self.golden, queueLimit: 2) }
    }

    @Test("random bytes never trap")
    func random() {
        var state: UInt64 = 1
        for _ in 0..<20_000 {
            var bytes = Self.golden
            for _ in 0..<4 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 24)
            }
            if let value = try? TCPSocketState(decoding: bytes) { #expect(value.encoded == bytes) }
        }
    }
}
