// UDP sockets over a wire and within the node, and the errors they hear of.

import Bytes
import Link
import Testing

@testable import NetStack

@Suite struct UDPTests {
    @Test("datagrams of every kind of length arrive whole, with their endpoints", arguments: [1500, 65520])
    func lengths(mtu: Int) throws {
        let pair = Pair(mtu: mtu)
        let here = try pair.a.host.openUDP(port: 5000)
        let there = try pair.b.host.openUDP(port: 6000, address: addressB)
        for count in [0, 1, 2, 3, 31, 1471, 9000, 60_000] {
            let data = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            try pair.a.host.send(here, data, to: Endpoint(addressB, 6000), now: pair.wire.now)
            pair.wire.run(for: .milliseconds(1))
            let got = try #require(pair.b.host.readUDP(there))
            #expect(got.data == data)
            let expected = UDPDatagram(
                source: Endpoint(addressA, 5000), destination: Endpoint(addressB, 6000), length: count)
            #expect(got.datagram == expected)
        }
        #expect(pair.b.host.readUDP(there) == nil)
    }

    @Test("within the node, by its own address and by 127.0.0.1")
    func loopback() throws {
        let station = Station("a", macA, "10.0.0.1/24")
        let now = Instant(nanoseconds: 1)
        let server = try station.host.openUDP(port: 53)
        let client = try station.host.openUDP()
        for (target, source) in [(addressA, addressA), (.loopback, IPAddress.loopback)] {
            try station.host.send(client, [1, 2, 3], to: Endpoint(target, 53), now: now)
            #expect(station.host.readUDP(server) == nil, "carried in advance, not inside of send")
            station.host.advance(to: now)
            let got = try #require(station.host.readUDP(server))
            #expect(got.data == [1, 2, 3])
            #expect(got.datagram.source.address == source)
            try station.host.send(server, [4], to: got.datagram.source, now: now)
            station.host.advance(to: now)
            #expect(station.host.readUDP(client)?.data == [4])
        }
    }

    @Test("a closed port is reported to the sender, and by us to others; not more than the limit at once")
    func unreachable() throws {
        let pair = Pair()
        let socket = try pair.a.host.openUDP()
        try pair.a.host.connectUDP(socket, to: Endpoint(addressB, 9))
        for _ in 0..<60 { try pair.a.host.send(socket, [1], to: Endpoint(addressB, 9), now: pair.wire.now) }
        pair.wire.run(for: .milliseconds(5))
        #expect(pair.a.host.statusUDP(socket)?.error == .unreachable(code: 3))
        #expect(pair.a.host.statusUDP(socket)?.error == nil, "taken")
        let errors = pair.wire.ends[0].seen.filter { ip($0)?.header.proto == .icmp }
        #expect(errors.count == Host.icmpErrorBurst)
        #expect(pair.b.counters.icmpSuppressed == UInt64(60 - Host.icmpErrorBurst))
        pair.wire.run(for: .seconds(1))
        try pair.a.host.send(socket, [1], to: Endpoint(addressB, 9), now: pair.wire.now)
        pair.wire.run(for: .milliseconds(5))
        #expect(pair.a.host.statusUDP(socket)?.error == .unreachable(code: 3))
    }

    @Test("a broadcast to a closed port is not answered")
    func broadcast() throws {
        let pair = Pair()
        let socket = try pair.a.host.openUDP()
        let listener = try pair.b.host.openUDP(port: 7)
        for port in [7, 8] as [UInt16] {
            for target in [IPAddress.broadcast, IPAddress(10, 0, 0, 255)] {
                try pair.a.host.send(socket, [1], to: Endpoint(target, port), now: pair.wire.now)
            }
        }
        pair.wire.run(for: .milliseconds(5))
        #expect(pair.b.host.statusUDP(listener)?.readable == 2)
        #expect(!pair.wire.ends[0].seen.contains { ip($0)?.header.proto == .icmp })
    }

    @Test("a connected socket hears its peer only; the most exact socket gets a datagram")
    func connected() throws {
        let station = Station("a", macA, "10.0.0.1/24")
        let now = Instant(nanoseconds: 1)
        let any = try station.host.openUDP(port: 1000)
        try station.host.connectUDP(any, to: Endpoint(addressA, 2000))
        let peer = try station.host.openUDP(port: 2000)
        let stranger = try station.host.openUDP(port: 3000)
        try station.host.send(peer, [1], to: Endpoint(addressA, 1000), now: now)
        try station.host.send(stranger, [2], to: Endpoint(addressA, 1000), now: now)
        station.host.advance(to: now)
        #expect(station.host.readUDP(any)?.data == [1])
        #expect(station.host.readUDP(any) == nil)
    }

    @Test("ports clash as they must, memory comes back, and refusals say why")
    func opening() throws {
        let station = Station("a", macA, "10.0.0.1/24")
        let first = try station.host.openUDP(port: 5)
        #expect(throws: HostError.portInUse(5)) { try station.host.openUDP(port: 5, address: addressA) }
        #expect(throws: HostError.notLocal(addressB)) { try station.host.openUDP(port: 6, address: addressB) }
        station.host.closeUDP(first)
        #expect(station.buffers.lent == 0)
        let second = try station.host.openUDP(port: 5, address: addressA)
        let third = try station.host.openUDP(port: 5, address: .loopback)
        #expect(station.host.udpTable().map(\.local.port) == [5, 5])
        #expect(throws: HostError.unknownHandle) {
            try station.host.send(first, [], to: Endpoint(addressA, 5), now: Instant(nanoseconds: 1))
        }
        station.host.closeUDP(second)
        station.host.closeUDP(third)
        station.buffers.refuses = true
        #expect(throws: HostError.noMemory(bytes: UDPSocket.queueBytes)) { try station.host.openUDP() }
        #expect(station.buffers.lent == 0)
    }

    @Test("too long, no route, queue full")
    func sending() throws {
        let station = Station("a", macA, "10.0.0.1/24")
        let now = Instant(nanoseconds: 1)
        let socket = try station.host.openUDP()
        #expect(throws: HostError.tooLong(bytes: 65_508, limit: 65_507)) {
            try station.host.send(socket, [UInt8](repeating: 0, count: 65_508), to: Endpoint(addressB, 1), now: now)
        }
        #expect(throws: HostError.noRoute(IPAddress(8, 8, 8, 8))) {
            try station.host.send(socket, [], to: Endpoint(IPAddress(8, 8, 8, 8), 1), now: now)
        }
        #expect(throws: HostError.queueFull) {
            for _ in 0...NetworkInterface.outputLimit {
                try station.host.send(socket, [], to: Endpoint(.broadcast, 1), now: now)
            }
        }
        #expect(station.counters.transmitQueueFull == 1)
    }

    @Test("a full receive queue drops the new datagrams and counts them")
    func full() throws {
        let pair = Pair()
        let socket = try pair.b.host.openUDP(port: 1)
        let sender = try pair.a.host.openUDP()
        for index in 0..<300 {
            try pair.a.host.send(sender, [UInt8(index & 0xff)], to: Endpoint(addressB, 1), now: pair.wire.now)
            pair.wire.run(for: .milliseconds(1))
        }
        #expect(pair.b.host.statusUDP(socket)?.readable == UDPSocket.queueLimit)
        #expect(pair.b.counters.receiveQueueFull == 44)
        #expect(pair.b.host.readUDP(socket)?.data == [0], "the oldest are kept")
    }

    @Test("a wrong checksum is dropped and counted; none, or one the link vouches for, is not looked at")
    func checksums() throws {
        let station = Station("b", macB, "10.0.0.2/24")
        let now = Instant(nanoseconds: 1)
        station.host.setLink(station.eth, isUp: true, now: now)
        let socket = try station.host.openUDP(port: 9)
        let good = udpFrame(to: macB, from: macA, Endpoint(addressA, 8), Endpoint(addressB, 9), [1, 2, 3])
        var bad = good
        bad[44] ^= 1
        station.host.receive(good, on: station.eth, now: now)
        station.host.receive(bad, on: station.eth, now: now)
        station.host.receive(bad, on: station.eth, now: now, offload: Offload(isChecksumValid: true))
        station.host.receive(
            bad, on: station.eth, now: now, offload: Offload(pendingChecksum: .init(start: 34, offset: 6)))
        bad[40] = 0
        bad[41] = 0
        station.host.receive(bad, on: station.eth, now: now)
        #expect(station.counters.badChecksum == 1)
        #expect(station.host.statusUDP(socket)?.readable == 4)
        #expect(station.host.readUDP(socket)?.data == [1, 2, 3])
    }
}

@Suite struct PacketQueueTests {
    @Test("random lengths through a small ring come out as they went in")
    func ring() {
        var random = Bytes.SeededGenerator(seed: 6)
        let span = UnsafeMutableRawBufferPointer.allocate(byteCount: 1000, alignment: 1)
        defer { span.deallocate() }
        var queue = PacketQueue(span: span, limit: 20)
        var expected: [[UInt8]] = []
        var stamp: UInt8 = 0
        for _ in 0..<20_000 {
            if Bool.random(using: &random) {
                let length = Int.random(in: 0...300, using: &random)
                let isRoom = expected.reduce(0) { $0 + max(1, $1.count) } + length <= 1000
                guard let room = queue.reserve(length) else {
                    // A ring of whole packets may refuse before it is full, but never when it is empty.
                    #expect(!expected.isEmpty)
                    continue
                }
                #expect(isRoom && room.count == length)
                stamp &+= 1
                room.initializeMemory(as: UInt8.self, repeating: stamp)
                if Int.random(in: 0..<5, using: &random) == 0 { continue }  // reserved in vain
                queue.commit(length)
                expected.append(Array(repeating: stamp, count: length))
            } else if let (_, bytes) = queue.front {
                #expect(Array(bytes) == expected.removeFirst())
                queue.removeFirst()
            }
            let count = queue.count
            #expect(count == expected.count)
        }
    }

    @Test("more than the span, or a negative length, is refused")
    func refused() {
        let span = UnsafeMutableRawBufferPointer.allocate(byteCount: 10, alignment: 1)
        defer { span.deallocate() }
        var queue = PacketQueue(span: span, limit: 2)
        let rooms = [queue.reserve(11), queue.reserve(-1), queue.reserve(10)].map { $0?.count }
        #expect(rooms == [nil, nil, 10])
        queue.commit(10)
        let more = queue.reserve(0)
        #expect(more == nil)
        queue.removeFirst()
        queue.removeFirst()
        let isEmpty = queue.isEmpty
        #expect(isEmpty)
    }
}
