// Both ends of a ring on two threads: no wake-up is lost, and memory that changes under the reader costs
// a ring, never the process. Clean under ThreadSanitizer, too: every shared word is read and written
// by atomics.

import Bytes
import CLinux
import Glibc
import Linux
import Synchronization
import Testing

@testable import Virtio

/// A thread that is waited for.
struct Worker {
    private final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private let thread: pthread_t

    init(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                argument.map { Unmanaged<Box>.fromOpaque($0).takeRetainedValue().body() }
                return nil
            }, Unmanaged.passRetained(Box(body)).toOpaque())
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}

/// Gives an end of a ring to a thread.
struct Given<Value>: @unchecked Sendable { let value: Value }

/// Raised by one thread, seen by another.
final class Flag: Sendable {
    private let bit = Atomic<Bool>(false)
    var isUp: Bool { bit.load(ordering: .relaxed) }
    func raise() { bit.store(true, ordering: .relaxed) }
}

struct ThreadTests {
    /// Sleeps until `event` is signalled; false when nobody did for seconds.
    private static func sleep(on event: EventDescriptor) -> Bool {
        var waiting = pollfd(fd: event.raw, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 10_000) == 1 else { return false }
        event.drain()
        return true
    }

    /// A side's patience before it sleeps: different every time, so that the race is met in every place.
    private static func dawdle(_ random: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 0..<60, using: &random) { ne_cpu_relax() }
    }

    @Test("CFE-25, CB-31: single-frame round trips between two threads lose no wake-up", arguments: [true, false])
    func noLostWakeup(eventIndex: Bool) throws {
        let rounds = 8_000 as UInt32
        let ring = try TestRing(features: RingFeatures(eventIndex: eventIndex))
        let (kick, call) = (try EventDescriptor(), try EventDescriptor())
        let driver = try ring.driver()
        let device = Given(value: try ring.device(.writable))
        let deviceStalled = Flag()
        let worker = Worker { [device] in
            var random = SeededGenerator(seed: 1)
            var served = 0 as UInt32
            while served < rounds {
                let chains = device.value.pop()
                for chain in chains { device.value.push(chain, 1) }
                served += UInt32(chains.count)
                if device.value.publish() { call.signal() }
                guard chains.isEmpty else { continue }
                Self.dawdle(&random)
                if device.value.rearm() { continue }
                if !Self.sleep(on: kick) { return deviceStalled.raise() }
            }
        }
        var random = SeededGenerator(seed: 2)
        var done = 0 as UInt32
        while done < rounds {
            if driver.outstanding == 0 {
                #expect(driver.post(done))
                if driver.publish() { kick.signal() }
            }
            let used = driver.reap()
            done += UInt32(used.count)
            guard used.isEmpty else { continue }
            Self.dawdle(&random)
            if driver.rearm() { continue }
            if !Self.sleep(on: call) {
                Issue.record("no call for round \(done)")
                break
            }
        }
        worker.join()
        #expect(!deviceStalled.isUp && done == rounds)
        #expect(driver.fault == nil && device.value.fault == nil)
    }

    @Test("batches between two threads arrive complete, in order, and with the bytes that were written before")
    func batches() throws {
        let total = 60_000 as UInt32
        let ring = try TestRing(size: 64, features: RingFeatures(eventIndex: true))
        let driver = try ring.driver()
        let device = Given(value: try ring.device(.writable))
        let worker = Worker { [device] in
            var served = 0 as UInt32
            while served < total, device.value.fault == nil {
                for chain in device.value.pop(37) {
                    // Plain accesses: the indices' acquire and release are all that orders them.
                    let word = device.value.batch.segments(of: chain)[0].iov_base
                    if word?.load(as: UInt32.self) != served { return }
                    word?.storeBytes(of: ~served, as: UInt32.self)
                    device.value.push(chain, Int(served % 64))
                    served += 1
                }
                _ = device.value.publish()
            }
        }
        var (sent, done, idle) = (0 as UInt32, 0 as UInt32, 0)
        while done < total, driver.fault == nil, idle < 100_000_000 {
            for _ in 0..<23 where sent < total && driver.free > 0 {
                ring.pointer(TestRing.dataAddress + UInt64(sent % 64) * 64).storeBytes(of: sent, as: UInt32.self)
                if driver.post(sent) { sent += 1 }
            }
            _ = driver.publish()
            idle += 1
            for chain in driver.reap() {
                let word = ring.pointer(TestRing.dataAddress + UInt64(done % 64) * 64).load(as: UInt32.self)
                if chain != UsedChain(token: done, length: done % 64) || word != ~done {
                    Issue.record("chain \(done): \(chain), \(word)")
                }
                done += 1
                idle = 0
            }
        }
        worker.join()
        #expect(done == total && driver.fault == nil && device.value.fault == nil)
    }

    /// Writes random words over a ring, many of them plausible.
    private struct Scribbler {
        let descriptors, tables, avail, used: UnsafeMutableRawPointer
        var random: SeededGenerator

        init(_ ring: TestRing, seed: UInt64) {
            descriptors = ring.pointer(ring.state.addresses.descriptorTable, 128)
            tables = ring.pointer(TestRing.tablesAddress, 256)
            avail = ring.pointer(ring.state.addresses.availRing, 22)
            used = ring.pointer(ring.state.addresses.usedRing, 70)
            random = SeededGenerator(seed: seed)
        }

        mutating func scribble() {
            let value = UInt64.random(in: 0...(.max), using: &random)
            let place = Int(value >> 56)
            switch value & 7 {
            case 0 where place < 16: ne_store_relaxed64(descriptors + place * 8, value)
            case 0, 1, 2:
                // A likely descriptor: somewhere near RAM, short, plausible flags and next.
                ne_store_relaxed64(descriptors + place % 8 * 16, value >> 8 & 0x11_ffff)
                ne_store_relaxed64(descriptors + place % 8 * 16 + 8, value >> 3 & 0x0009_0007_0000_0fff)
            case 3: ne_store_relaxed64(tables + place % 32 * 8, value & 0x0009_0007_000f_ffff)
            case 4: ne_store_relaxed16(avail + 2, ne_load_relaxed16(used + 2) &+ UInt16(place % 10))
            case 5: ne_store_relaxed16(avail + 4 + place % 9 * 2, UInt16(truncatingIfNeeded: (value >> 8) % 9))
            case 6: ne_store_relaxed32(used + 4 + place % 16 * 4, UInt32(truncatingIfNeeded: value >> 8 & 15))
            default: ne_store_relaxed16(used + 2, ne_load_relaxed16(avail + 2) &- UInt16(place % 10))
            }
        }
    }

    /// A thread that scribbles until the flag is up.
    private static func scribble(_ ring: TestRing, until isDone: Flag, seed: UInt64) -> Worker {
        Worker {
            var scribbler = Scribbler(ring, seed: seed)
            while !isDone.isUp { scribbler.scribble() }
        }
    }

    @Test("RV-20: a ring that another thread scribbles over costs the ring, not the process", arguments: [1, 2])
    func scribbledDevice(seed: UInt64) throws {
        let ring = try TestRing(features: RingFeatures(eventIndex: seed == 1, indirect: true))
        let isDone = Flag()
        let worker = Self.scribble(ring, until: isDone, seed: seed)
        var scribbler = Scribbler(ring, seed: seed + 100)
        let range = UInt(bitPattern: ring.memory.shared.base)..<UInt(bitPattern: ring.memory.shared.base) + (1 << 20)
        var (faults, chains) = (0, 0)
        var device: DeviceEnd?
        for _ in 0..<30_000 {
            for _ in 0..<3 { scribbler.scribble() }
            if device?.fault != nil {
                faults += 1
                device = nil
            }
            if device == nil { device = try? ring.device(.both, base: RingPosition(ring.usedIndex)) }
            guard let device else { continue }
            for chain in device.pop() {
                chains += 1
                for span in device.batch.segments(of: chain) {
                    let start = UInt(bitPattern: span.iov_base)
                    if !range.contains(start) || start + UInt(span.iov_len) > range.upperBound {
                        Issue.record("a span outside of RAM")
                    }
                }
                device.push(chain, 1)
            }
            _ = device.publish()
            _ = device.rearm()
        }
        isDone.raise()
        worker.join()
        #expect(faults > 0 && chains > 0, "the test must meet both")
    }

    @Test("RF-09: a used ring that another thread scribbles over costs the ring, not the process", arguments: [3, 4])
    func scribbledDriver(seed: UInt64) throws {
        let ring = try TestRing(features: RingFeatures(eventIndex: seed == 3))
        let isDone = Flag()
        let driver = try ring.driver()
        let worker = Self.scribble(ring, until: isDone, seed: seed)
        var scribbler = Scribbler(ring, seed: seed + 100)
        var out = Set<UInt32>()
        var faults = 0
        for round in 0..<30_000 as Range<UInt32> {
            scribbler.scribble()
            if driver.fault != nil {
                faults += 1
                out = []
                driver.queue.forget()
            }
            if driver.post(round) { out.insert(round) }
            _ = driver.publish()
            for chain in driver.reap() where out.remove(chain.token) == nil || chain.length > 64 {
                Issue.record("chain \(chain) was not out")
            }
            _ = driver.rearm()
            _ = driver.restartBase()
        }
        isDone.raise()
        worker.join()
        #expect(faults > 0)
    }
}
