// The device's side against a hostile driver, second half: indirect tables, values that change under
// the reader, starvation, floods, bases (docs/misbehaviours.md, RV-18, RV-20 … RV-35, RM-13, RM-14).

import Glibc
import Testing

@testable import Virtio

extension HostileDriverTests {
    /// A descriptor that names an indirect table, and what is wrong with it.
    struct BadTable: CustomTestStringConvertible {
        let testDescription: String
        var address: UInt64 = TestRing.tablesAddress
        var length: UInt32 = 32
        var flags: UInt16 = 4
        var entryFlags: UInt16 = 0
        let fault: RingFault
    }

    static let badTables = [
        BadTable(testDescription: "length no multiple of 16", length: 24, fault: .indirectLength(24)),
        BadTable(testDescription: "length 0", length: 0, fault: .indirectLength(0)),
        BadTable(
            testDescription: "more entries than anybody has", length: 16 * 1025, fault: .indirectLength(16 * 1025)),
        BadTable(testDescription: "length 2^32-16", length: 0xffff_fff0, fault: .indirectLength(0xffff_fff0)),
        BadTable(
            testDescription: "outside of RAM", address: 1 << 40, fault: .indirectUnmapped(address: 1 << 40, length: 32)),
        BadTable(
            testDescription: "tail outside of RAM", address: (1 << 20) - 16,
            fault: .indirectUnmapped(address: (1 << 20) - 16, length: 32)),
        BadTable(
            testDescription: "wraps the address space", address: ~15, fault: .indirectUnmapped(address: ~15, length: 32)
        ),
        BadTable(testDescription: "a table in a table", entryFlags: 4, fault: .illegalIndirect(flags: 4)),
        BadTable(testDescription: "INDIRECT and NEXT", flags: 5, fault: .illegalIndirect(flags: 5)),
    ]

    @Test("RV-18: a bad indirect table breaks the ring", arguments: badTables)
    func badTable(_ table: BadTable) throws {
        let ring = try TestRing(features: RingFeatures(indirect: true))
        let device = try ring.device()
        ring.setDescriptor(0, table.address, table.length, flags: table.flags, next: 1)
        ring.setEntry(at: TestRing.tablesAddress, Self.data, 64, flags: table.entryFlags)
        ring.offer(0)
        #expect(device.pop().isEmpty)
        #expect(device.fault == table.fault)
    }

    @Test("RV-18: an indirect table that was not negotiated breaks the ring")
    func indirectNotNegotiated() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(0, TestRing.tablesAddress, 16, flags: 4)
        ring.setEntry(at: TestRing.tablesAddress, Self.data, 64)
        ring.offer(0)
        #expect(device.pop().isEmpty)
        #expect(device.fault == .illegalIndirect(flags: 4))
    }

    @Test("RV-18: an unaligned table that crosses two regions is read by copy", arguments: [8, 9, 15] as [UInt64])
    func crossingTable(before: UInt64) throws {
        let ring = try TestRing(features: RingFeatures(indirect: true))
        let memory = try GuestMemory(ring.memory.shared, regions: [.identity(from: 0, to: 0x41000), .second])
        let device = DeviceEnd(try SplitDeviceQueue(ring.state, memory: memory, direction: .both))
        let entry: [UInt8] = [0, 0, 8, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0]  // 0x80000, 20 bytes, readable
        for (offset, byte) in entry.enumerated() {
            memory.span(at: 0x41000 - before + UInt64(offset), count: 1)?.copyBytes(from: [byte])
        }
        ring.setDescriptor(0, 0x41000 - before, 16, flags: 4)
        ring.offer(0)
        #expect(device.pop().first?.readableBytes == 20)
    }

    @Test("RM-13: a buffer that crosses two regions becomes two spans")
    func crossingBuffer() throws {
        let ring = try TestRing()
        let memory = try GuestMemory(ring.memory.shared, regions: [.identity(from: 0, to: 0x41000), .second])
        let device = DeviceEnd(try SplitDeviceQueue(ring.state, memory: memory, direction: .both))
        ring.setDescriptor(0, 0x41000 - 10, 30)
        ring.offer(0)
        let chain = try #require(device.pop().first)
        #expect(chain.readable == 2 && chain.readableBytes == 30)
        #expect(device.batch.segments(of: chain).map(\.iov_len) == [10, 20])
        #expect(device.batch.segments(of: chain)[1].iov_base == memory.span(at: 0x41000, count: 1)?.baseAddress)
    }

    @Test(
        "RM-14: a buffer that leaves RAM goes back, and the ring lives",
        arguments: [(1 << 20, 1), ((1 << 20) - 1, 2), (UInt64.max, 2), (UInt64.max - 4095, 4097), (0, 0xffff_ffff)]
            as [(UInt64, UInt32)])
    func leavesMemory(address: UInt64, length: UInt32) throws {
        let ring = try TestRing()
        let device = try ring.device(.writable)
        ring.setDescriptor(0, address, length, flags: 2)
        ring.setDescriptor(1, Self.data, 64, flags: 2)
        ring.offer(0, 1)
        #expect(device.pop().map(\.head) == [1])
        #expect(device.dropped == 1 && device.fault == nil)
    }

    @Test("RM-15: a buffer inside the ring itself is no memory error")
    func bufferInRing() throws {
        let ring = try TestRing()
        let device = try ring.device(.writable)
        ring.setDescriptor(0, ring.state.addresses.descriptorTable, 128, flags: 2)
        ring.offer(0)
        let chain = try #require(device.pop().first)
        #expect(device.write([UInt8](repeating: 0xff, count: 128), to: chain) == 128)
        device.push(chain, 128)
        _ = device.publish()
        ring.offer(0)
        #expect(device.pop().isEmpty)
        #expect(device.fault == .illegalIndirect(flags: 0xffff))
    }

    @Test("RV-20: what changes after a chain was taken changes nothing")
    func changesAfterwards() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(0, Self.data, 64)
        ring.offer(0)
        let chain = try #require(device.pop().first)
        ring.setDescriptor(0, ~0, .max, flags: 7, next: 99)
        #expect(device.readable(chain).count == 64)
        #expect(
            device.batch.segments(of: chain).first?.iov_base == ring.memory.span(at: Self.data, count: 1)?.baseAddress)
    }

    @Test("RV-21: a header in 1, 2, 3 or 12 pieces is read; a chain shorter than one has none", arguments: 1...12)
    func splitHeader(pieces: Int) throws {
        let ring = try TestRing(size: 16)
        let device = try ring.device(.readable)
        var header = NetHeader()
        (header.flags, header.headerLength, header.checksumStart, header.bufferCount) = (1, 0x1234, 34, 7)
        let room = ring.pointer(Self.data)
        header.write(to: room)
        var offset = 0
        for piece in 0..<pieces {
            let length = piece + 1 == pieces ? 12 - offset : 1
            ring.setDescriptor(
                piece, Self.data + UInt64(offset), UInt32(length), flags: piece + 1 == pieces ? 0 : 1,
                next: UInt16(piece + 1))
            offset += length
        }
        ring.setDescriptor(15, Self.data, 11)
        ring.offer(0, 15)
        let chains = device.pop()
        #expect(device.batch.header(of: chains[0]) == header)
        #expect(device.batch.header(of: chains[1]) == nil)
    }

    @Test("RV-25: without buffers nothing is popped, and the device may sleep")
    func starvation() throws {
        let ring = try TestRing(features: RingFeatures(eventIndex: true))
        let device = try ring.device(.writable)
        #expect(device.pop().isEmpty)
        #expect(!device.rearm())
        ring.setDescriptor(0, Self.data, 64, flags: 2)
        ring.offer(0)
        #expect(device.rearm(), "what arrived before the sleep is seen")
    }

    @Test("RV-26: chains that were popped in vain are popped again")
    func rewinding() throws {
        let ring = try TestRing()
        let device = try ring.device(.writable)
        for index in 0..<8 { ring.setDescriptor(index, Self.data, 12, flags: 2) }
        ring.offer(5, 6, 7, 0)
        #expect(device.pop().count == 4)
        device.rewind(3)
        #expect(device.inFlight == 1 && device.base == 1)
        #expect(device.pop().map(\.head) == [6, 7, 0])
        device.rewind(4)
        #expect(device.base == 4, "more than were popped is ignored")
    }

    @Test("RV-26: a chain that is refused ends the batch, so that rewinding cannot give it back twice")
    func refusedEndsBatch() throws {
        let ring = try TestRing()
        let device = try ring.device(.writable)
        for index in 0..<8 { ring.setDescriptor(index, Self.data, index == 1 ? 0 : 12, flags: 2) }
        ring.offer(0, 1, 2)
        #expect(device.pop().map(\.head) == [0])
        device.rewind(1)
        #expect(device.echo())
        #expect(ring.usedIndex == 1)
        #expect(device.echo())
        #expect(ring.usedIndex == 3)
        #expect((0..<3).map { ring.used($0).id } == [0, 1, 2])
    }

    @Test("RV-27: kicks without chains move nothing")
    func emptyKicks() throws {
        let ring = try TestRing()
        let device = try ring.device()
        for _ in 0..<1000 {
            #expect(device.pop().isEmpty)
            #expect(!device.publish())
        }
        #expect(device.base == 0 && ring.usedIndex == 0)
    }

    @Test("RV-28: a turn ends at its budget, also when every chain is refused")
    func budget() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(0, Self.data, 64)
        ring.offer(0, 0, 0, 0, 0)
        #expect(device.pop(2).count == 2)
        ring.setDescriptor(0, Self.data, 0)
        #expect(device.pop().isEmpty)
        #expect(device.dropped == 3)
    }

    @Test(
        "RV-29: a used_event of any value costs at most a call", arguments: [0, 1, 0x7fff, 0x8000, 0xffff] as [UInt16])
    func anyEvent(event: UInt16) throws {
        let ring = try TestRing(features: RingFeatures(eventIndex: true))
        let device = try ring.device()
        ring.setDescriptor(0, Self.data, 64)
        for _ in 0..<100 {
            ring.pointer(ring.state.addresses.availRing, 22).storeBytes(of: event, toByteOffset: 20, as: UInt16.self)
            ring.offer(0)
            _ = device.echo()
        }
        #expect(device.fault == nil && ring.usedIndex == 100)
    }

    @Test("RV-32: the base of a ring that never ran is what it was given, as often as asked")
    func baseAtRest() throws {
        let ring = try TestRing()
        ring.usedIndex = 40000
        let device = try ring.device(base: 40003)
        #expect(device.base == 40003 && device.queue.state.base == 40003)
        #expect(device.queue.state.base == 40003)
    }

    @Test(
        "RV-34: a base further from the used index than the ring is long is refused", arguments: [9, 65535] as [UInt16])
    func badBase(base: UInt16) throws {
        let ring = try TestRing()
        #expect(throws: VirtioError.base(base, usedIndex: 0, size: 8)) { _ = try ring.device(base: RingPosition(base)) }
    }

    @Test("RV-35: a ring whose event word lies beyond RAM is refused")
    func eventWordOutside() throws {
        let ring = try TestRing(bytes: 1 << 20)
        var state = ring.state
        state.addresses.usedRing = (1 << 20) - 68  // 4 + 8 * 8, without the two bytes of avail_event
        #expect(throws: VirtioError.self) {
            _ = try SplitDeviceQueue(state, memory: ring.memory, direction: .both)
        }
    }
}

extension MemoryRegion {
    /// The rest of a 1 MiB file from 0x41000 on, guest-contiguous with what is before, apart as a region.
    static let second = MemoryRegion.identity(from: 0x41000, to: 1 << 20)
}
