// The device's side of a ring against a driver that breaks every rule: docs/misbehaviours.md, RV, by number.
// Each ring is written by hand; what must hold is said by the test's name.

import Testing

@testable import Virtio

struct HostileDriverTests {
    static let data = TestRing.dataAddress

    @Test("RV-03: only powers of two from 1 to 32768 are queue sizes", arguments: [0, 3, 5, 32769, 65535] as [UInt16])
    func badSize(size: UInt16) throws {
        let ring = try TestRing()
        var state = ring.state
        state.size = size
        #expect(throws: VirtioError.queueSize(size)) {
            _ = try SplitDeviceQueue(state, memory: ring.memory, direction: .both)
        }
    }

    @Test("RV-03: a ring of 32768 entries is taken")
    func largestSize() throws {
        let ring = try TestRing(size: 32768)
        #expect(try ring.device().pop().isEmpty)
    }

    @Test("RV-05: a ring outside of RAM, or with its tail outside, is refused")
    func unmapped() throws {
        let ring = try TestRing(size: 8, bytes: 1 << 20)
        let end: UInt64 = 1 << 20
        func refused(_ change: (inout RingAddresses) -> Void) -> VirtioError? {
            var state = ring.state
            change(&state.addresses)
            do { _ = try SplitDeviceQueue(state, memory: ring.memory, direction: .both) } catch { return error }
            return nil
        }
        #expect(refused { $0.descriptorTable = end } == .unmapped(.descriptorTable, address: end, bytes: 128))
        #expect(refused { $0.descriptorTable = end - 112 } != nil)
        #expect(refused { $0.descriptorTable = end - 128 } == nil)
        #expect(refused { $0.availRing = end - 20 } == .unmapped(.availRing, address: end - 20, bytes: 22))
        #expect(refused { $0.usedRing = ~3 } == .unmapped(.usedRing, address: ~3, bytes: 70))
    }

    @Test("RV-06: unaligned rings are refused")
    func unaligned() throws {
        let ring = try TestRing()
        for (part, align, path) in [
            (RingPart.descriptorTable, 16, \RingAddresses.descriptorTable), (.availRing, 2, \.availRing),
            (.usedRing, 4, \.usedRing),
        ] {
            var state = ring.state
            state.addresses[keyPath: path] += UInt64(align / 2)
            #expect(throws: VirtioError.unaligned(part, address: state.addresses[keyPath: path])) {
                _ = try SplitDeviceQueue(state, memory: ring.memory, direction: .both)
            }
        }
    }

    @Test("RV-07: areas that lie on each other do no harm")
    func overlapping() throws {
        let ring = try TestRing()
        var state = ring.state
        state.addresses.availRing = state.addresses.descriptorTable
        state.addresses.usedRing = state.addresses.descriptorTable
        let device = DeviceEnd(try SplitDeviceQueue(state, memory: ring.memory, direction: .both))
        for byte in 0..<100 as Range<UInt8> {
            ring.fill(state.addresses.descriptorTable, [UInt8](repeating: byte % 3, count: 128))
            _ = device.echo(1)
        }
    }

    @Test("RV-09: an avail index that jumps breaks the ring")
    func availJump() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.availIndex = 9
        #expect(device.pop().isEmpty)
        #expect(device.fault == .availIndex(9, next: 0, size: 8))
        ring.availIndex = 1
        #expect(device.pop().isEmpty, "a broken ring stays broken")
    }

    @Test("RV-10: an avail index that goes backwards breaks the ring")
    func availBackwards() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(0, Self.data, 64)
        ring.offer(0, 0)
        #expect(device.pop().count == 2)
        ring.availIndex = 1
        #expect(device.pop().isEmpty)
        #expect(device.fault == .availIndex(1, next: 2, size: 8))
    }

    @Test(
        "RV-11: a head beyond the table breaks the ring, what was before it counts", arguments: [8, 65535] as [UInt16])
    func badHead(head: UInt16) throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(0, Self.data, 64)
        ring.offer(0, head)
        #expect(device.pop().map(\.head) == [0])
        #expect(device.fault == .head(UInt32(head), size: 8))
    }

    @Test("RV-12: next beyond the table breaks the ring")
    func badNext() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(0, Self.data, 64, flags: 1, next: 8)
        ring.offer(0)
        #expect(device.pop().isEmpty)
        #expect(device.fault == .next(8, limit: 8))
    }

    @Test("RV-12: next beyond an indirect table breaks the ring")
    func badIndirectNext() throws {
        let ring = try TestRing(features: RingFeatures(indirect: true))
        let device = try ring.device()
        ring.setDescriptor(0, TestRing.tablesAddress, 32, flags: 4)
        ring.setEntry(at: TestRing.tablesAddress, Self.data, 64, flags: 1, next: 2)
        ring.offer(0)
        #expect(device.pop().isEmpty)
        #expect(device.fault == .next(2, limit: 2))
    }

    @Test("RV-13: loops end and break the ring", arguments: [0, 1, 7] as [UInt16])
    func loop(back: UInt16) throws {
        let ring = try TestRing()
        let device = try ring.device()
        for index in 0..<8 {
            ring.setDescriptor(index, Self.data, 1, flags: 1, next: index == 7 ? back : UInt16(index + 1))
        }
        ring.offer(0)
        #expect(device.pop().isEmpty)
        #expect(device.fault == .chainTooLong(limit: 8))
    }

    @Test("RV-13: a loop in an indirect table ends and breaks the ring")
    func indirectLoop() throws {
        let ring = try TestRing(features: RingFeatures(indirect: true))
        let device = try ring.device()
        ring.setDescriptor(0, TestRing.tablesAddress, 32, flags: 4)
        ring.setEntry(at: TestRing.tablesAddress, Self.data, 1, flags: 1, next: 1)
        ring.setEntry(at: TestRing.tablesAddress + 16, Self.data, 1, flags: 1, next: 0)
        ring.offer(0)
        #expect(device.pop().isEmpty)
        #expect(device.fault == .chainTooLong(limit: 2))
    }

    @Test("RV-14: an empty descriptor is skipped, whatever its address")
    func emptyDescriptor() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(0, ~0, 0, flags: 1, next: 1)
        ring.setDescriptor(1, Self.data, 20)
        ring.offer(0)
        let chains = device.pop()
        #expect(chains.first?.readableBytes == 20 && chains.first?.readable == 1)
    }

    @Test("RV-14: an empty chain goes back with length 0, and the ring lives")
    func emptyChain() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(0, Self.data, 0)
        ring.setDescriptor(1, Self.data, 8)
        ring.offer(0, 1)
        #expect(device.pop().map(\.head) == [1])
        #expect(device.dropped == 1)
        _ = device.publish()
        #expect(ring.usedIndex == 1 && ring.used(0) == (0, 0))
    }

    @Test("RV-15: more than a packet and its headers is refused, also when the sum passes 2^32")
    func tooLong() throws {
        let ring = try TestRing(bytes: 1 << 20)
        let device = try ring.device(.readable)
        let longest = UInt32(ChainWalk.longestReadable)
        ring.setDescriptor(0, Self.data, longest)
        ring.setDescriptor(1, Self.data, longest + 1)
        ring.setDescriptor(2, Self.data, longest, flags: 1, next: 0)
        for index in 3..<8 { ring.setDescriptor(index, 0, 1 << 20, flags: index < 7 ? 1 : 0, next: UInt16(index + 1)) }
        ring.offer(1, 2, 3, 0)
        #expect(device.pop().map(\.head) == [0])
        #expect(device.dropped == 3 && device.fault == nil)
        let big = try GuestMemory(size: 1 << 31)
        let state = ring.state
        let wide = DeviceEnd(try SplitDeviceQueue(state, memory: big, direction: .writable))
        let words = big.span(at: state.addresses.descriptorTable, count: 16 * 8)
        for index in 0..<8 {
            let entry = words.map { UnsafeMutableRawBufferPointer(rebasing: $0[16 * index..<16 * index + 16]) }
            entry?.storeBytes(of: UInt64(0), as: UInt64.self)
            entry?.storeBytes(of: UInt32(1 << 31), toByteOffset: 8, as: UInt32.self)
            entry?.storeBytes(of: UInt16(index < 7 ? 3 : 2), toByteOffset: 12, as: UInt16.self)
            entry?.storeBytes(of: UInt16(index + 1), toByteOffset: 14, as: UInt16.self)
        }
        big.span(at: state.addresses.availRing, count: 22)?.storeBytes(of: 1, toByteOffset: 2, as: UInt16.self)
        #expect(wide.pop().first?.writableBytes == .max, "the sum of writable bytes saturates")
    }

    @Test("RV-16: a head made available twice is taken and given back twice")
    func sameHeadTwice() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(3, Self.data, 64)
        ring.offer(3, 3)
        #expect(device.pop().map(\.head) == [3, 3])
        for chain in Array(device.batch.chains) { device.push(chain) }
        _ = device.publish()
        #expect(ring.usedIndex == 2 && ring.used(0).id == 3 && ring.used(1).id == 3)
    }

    @Test("RV-17: a driver that never stops cannot have more than the ring's size in flight")
    func neverStops() throws {
        let ring = try TestRing()
        let device = try ring.device()
        ring.setDescriptor(0, Self.data, 64)
        for _ in 0..<8 {
            ring.offer(0)
            #expect(device.pop().count == 1)
        }
        ring.offer(0)
        #expect(device.pop().isEmpty)
        #expect(device.fault == .availIndex(9, next: 8, size: 8))
    }

    @Test("RV-19: chains of the wrong direction or order go back, and the ring lives")
    func wrongDirection() throws {
        let ring = try TestRing()
        ring.setDescriptor(0, Self.data, 64, flags: 2)  // writable
        ring.setDescriptor(1, Self.data, 64)  // readable
        ring.setDescriptor(2, Self.data, 64, flags: 3, next: 1)  // writable, then readable
        ring.setDescriptor(3, Self.data, 64, flags: 1, next: 0)  // readable, then writable
        ring.offer(0, 1, 2, 3)
        #expect(try ring.device(.readable).pop().map(\.head) == [1])
        let receive = try ring.device(.writable)
        #expect(receive.pop().map(\.head) == [0])
        #expect(receive.pop().isEmpty && receive.dropped == 3)
        let both = try ring.device(.both)
        #expect(both.pop().map(\.head) == [0, 1])
        #expect(both.pop().map(\.head) == [3])
        #expect(both.dropped == 1)
    }
}
