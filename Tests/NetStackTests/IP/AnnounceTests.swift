// What a host says of itself when it has moved.

import Bytes
import Link
import Testing

@testable import NetStack

@Suite("announcing")
struct AnnounceTests {
    private func frames(_ station: Station, now: Instant) -> [[UInt8]] {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
        defer { room.deallocate() }
        var frames: [[UInt8]] = []
        while true {
            var slot = TransmitSlot(room: room)
            let count = withUnsafeMutablePointer(to: &slot) {
                station.host.transmit(
                    into: UnsafeMutableBufferPointer(start: $0, count: 1), on: station.eth, now: now)
            }
            guard count == 1 else { return frames }
            frames.append(Array(room[..<slot.length]))
        }
    }

    private let reverse: [UInt8] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  // to everybody
        0x52, 0x54, 0x00, 0x00, 0x00, 0x0a,  // from the card
        0x80, 0x35,  // RARP
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04,  // Ethernet, IPv4, their lengths
        0x00, 0x03,  // reverse request
        0x52, 0x54, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x00,  // the card asks
        0x52, 0x54, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x00,  // about itself
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // up to 60 bytes
    ]

    private func announcement(_ last: UInt8) -> [UInt8] {
        [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  // to everybody
            0x52, 0x54, 0x00, 0x00, 0x00, 0x0a,  // from the card
            0x08, 0x06,  // ARP
            0x00, 0x01, 0x08, 0x00, 0x06, 0x04,  // Ethernet, IPv4, their lengths
            0x00, 0x01,  // request
            0x52, 0x54, 0x00, 0x00, 0x00, 0x0a, 10, 0, 0, last,  // we have the address
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 10, 0, 0, last,  // who else has it?
        ]
    }

    @Test("a card asks about itself, and every address is announced, byte for byte")
    func round() throws {
        let pair = Pair()
        let (station, now) = (pair.a, pair.wire.now)
        try station.host.configure(station.eth, address: #require(IPPrefix("10.0.0.9/24")), now: now)
        pair.wire.run(for: .seconds(5))
        station.host.announce(on: station.eth)
        #expect(frames(station, now: pair.wire.now) == [reverse, announcement(1), announcement(9)])
        #expect(frames(station, now: pair.wire.now).isEmpty)
    }

    @Test("without an address the card alone is announced; without a link, and on loopback, nobody is told")
    func edges() {
        let now = Instant(nanoseconds: 1_000_000_000)
        let station = Station("a", macA, nil)
        station.host.announce(on: station.eth)
        station.host.announce(on: .loopback)
        station.host.announce(on: InterfaceID(rawValue: 77))
        station.host.setLink(station.eth, isUp: true, now: now)
        #expect(!frames(station, now: now).contains(reverse))
        station.host.announce(on: station.eth)
        #expect(frames(station, now: now) == [reverse])
    }

    @Test("a full queue drops the announcement, counts it, and keeps what it has")
    func full() {
        let pair = Pair()
        let station = pair.a
        let before = station.counters.transmitQueueFull
        for _ in 0..<1000 { station.host.announce(on: station.eth) }
        let sent = frames(station, now: pair.wire.now).count
        #expect(sent == NetworkInterface.outputLimit)
        #expect(Int(station.counters.transmitQueueFull - before) == 2000 - sent)
    }

    @Test("a neighbour that learns from it takes the new place of the MAC, and answers nothing")
    func heard() {
        let pair = Pair()
        let sent = pair.a.counters.received
        pair.a.host.announce(on: pair.a.eth)
        pair.wire.run(for: .seconds(1))
        #expect(pair.a.counters.received == sent && pair.b.counters.arpRefused == 0)
    }

    @Test("the request reads itself back, and no other")
    func roundTrip() throws {
        let written = bytes { writer in try ReverseRequest(macA).write(to: &writer) }
        #expect(written == Array(reverse[14...]) && written.count == ReverseRequest.size)
        func read(_ bytes: [UInt8]) throws -> ReverseRequest {
            try bytes.withUnsafeBytes { bytes in
                var reader = ByteReader(bytes)
                return try ReverseRequest(&reader)
            }
        }
        #expect(try read(written) == ReverseRequest(macA))
        for place in [0, 2, 4, 7, 18] {
            var other = written
            other[place] ^= 1
            #expect(throws: WireError.self) { try read(other) }
        }
        for length in 0..<28 { #expect(throws: WireError.self) { try read(Array(written[..<length])) } }
    }
}
