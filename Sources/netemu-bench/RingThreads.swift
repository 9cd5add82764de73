// The second half of `bench ring`: driver and device on two threads with eventfds between them. A side
// without work spins a while before it wants to be woken and sleeps: waking a core costs thousands of frames.

import BenchLoops
import CLinux
import Glibc
import Linux
import Virtio

/// One side of a ring as a thread runs it.
struct RingSide {
    let turn: () -> NetQueueReport
    let rearm: () -> Bool
    /// Slept on, and signalled to the other side.
    let own: EventDescriptor
    let other: EventDescriptor

    /// Turns until `total` frames went through; returns how often the other side had to be woken.
    func run(total: Int, spins: Int) -> Int {
        var (done, idle, wakes) = (0, 0, 0)
        while done < total {
            let turn = turn()
            done += turn.frames
            if turn.needsKick {
                other.signal()
                wakes += 1
            }
            idle = turn.frames > 0 ? 0 : idle + 1
            guard idle > 0 else { continue }
            ne_cpu_relax()
            guard idle > spins else { continue }
            idle = 0
            if rearm() { continue }
            var waiting = pollfd(fd: own.raw, events: Int16(POLLIN), revents: 0)
            poll(&waiting, 1, 5000)
            own.drain()
        }
        return wakes
    }
}

enum RingThreads {
    static func run() -> Int32 {
        Bench.say("\nTwo threads, ring of 256, adaptive spin; ns per frame (wake-ups per 1000 frames), median of 11.\n")
        Bench.say("| frame | batch | sent | the same in C | ratio |\n|---:|---:|---:|---:|---:|")
        for length in [64, 1514] {
            for batch in [1, 32, 64] {
                var rows: [(swift: Double, c: Double, swiftWakes: Double, cWakes: Double)] = []
                for _ in 0..<11 {
                    guard let ours = swift(batch: batch, length: length), let theirs = c(batch: batch, length: length)
                    else { return 1 }
                    rows.append((ours.time, theirs.time, ours.wakes, theirs.wakes))
                }
                let ratio = median(rows.map { $0.swift / $0.c })
                let ours = cell(median(rows.map(\.swift)), median(rows.map(\.swiftWakes)))
                let theirs = cell(median(rows.map(\.c)), median(rows.map(\.cWakes)))
                Bench.say("| \(length) | \(batch) | \(ours) | \(theirs) | \(fixed(ratio, 2)) |")
            }
        }
        return 0
    }

    private static func cell(_ time: Double, _ wakes: Double) -> String { "\(fixed(time, 1)) (\(fixed(wakes, 2)))" }

    private static func swift(batch: Int, length: Int) -> (time: Double, wakes: Double)? {
        guard let loop = RingLoop(), let kick = try? EventDescriptor(), let call = try? EventDescriptor() else {
            return nil
        }
        return measure(
            RingSide(
                turn: { loop.driver.turn(batch: batch, length: length) }, rearm: { loop.driver.rearm() }, own: call,
                other: kick),
            RingSide(turn: { loop.device.turn(batch: 64) }, rearm: { loop.device.rearm() }, own: kick, other: call))
    }

    private static func c(batch: Int, length: Int) -> (time: Double, wakes: Double)? {
        guard let loop = CRingLoop(), let kick = try? EventDescriptor(), let call = try? EventDescriptor() else {
            return nil
        }
        return measure(
            RingSide(
                turn: { loop.driverTurn(batch: batch, length: length) }, rearm: { loop.driverRearm() }, own: call,
                other: kick),
            RingSide(turn: { loop.deviceTurn(batch: 64) }, rearm: { loop.deviceRearm() }, own: kick, other: call))
    }

    private final class Job: @unchecked Sendable {
        let side: RingSide
        let total: Int
        var wakes = 0
        init(_ side: RingSide, _ total: Int) { (self.side, self.total) = (side, total) }
    }

    /// ns per frame and wake-ups per thousand frames.
    private static func measure(_ driver: RingSide, _ device: RingSide) -> (time: Double, wakes: Double) {
        let (total, spins) = (200_000, 4000)
        let job = Job(device, total)
        var thread = pthread_t()
        let start = ne_monotonic_ns()
        pthread_create(
            &thread, nil,
            { argument in
                if let argument {
                    let job = Unmanaged<Job>.fromOpaque(argument).takeUnretainedValue()
                    job.wakes = job.side.run(total: job.total, spins: 4000)
                }
                return nil
            }, Unmanaged.passUnretained(job).toOpaque())
        let wakes = driver.run(total: total, spins: spins)
        pthread_join(thread, nil)
        let time = Double(ne_monotonic_ns() - start) / Double(total)
        return (time, Double(wakes + job.wakes) * 1000 / Double(total))
    }
}
