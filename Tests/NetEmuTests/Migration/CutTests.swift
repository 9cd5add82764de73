// The connection of a move is cut after so many bytes, in either direction: never do both guests run, and who has the
// guest goes on.

import Bytes
import Glibc
import Linux
import TestSupport
import Testing

@testable import NetEmu

/// Stands between both ends and hands bytes on, up to a number of them; then both lose their connection. It is moved by
/// whoever turns the loop.
private final class Cutter {
    private let listener: FileDescriptor
    private let target: String
    private var ends: [SharedDescriptor] = []
    /// From the source, from the destination.
    private(set) var passed = [0, 0]
    private let limits: [Int]
    private(set) var isCut = false

    init(at path: String, to target: String, limits: [Int]) throws {
        (self.target, self.limits) = (target, limits)
        listener = try UnixSocket.listen(at: path)
    }

    func pump() {
        if ends.isEmpty, !isCut { join() }
        guard ends.count == 2 else { return }
        for way in 0..<2 where !isCut { hand(way) }
    }

    private func join() {
        let raw = accept(listener.raw, nil, nil)
        guard raw >= 0 else { return }
        let source = SharedDescriptor(FileDescriptor(owning: raw))
        guard let other = try? UnixSocket.connect(to: target) else { return }
        ends = [source, SharedDescriptor(other)]
    }

    private func hand(_ way: Int) {
        let room = min(16384, limits[way] - passed[way])
        guard room > 0 else { return cut() }
        var bytes = [UInt8](repeating: 0, count: room)
        let count = recv(ends[way].raw, &bytes, room, CInt(MSG_DONTWAIT))
        if count == 0 { return cut() }
        guard count > 0 else { return }
        var sent = 0
        while sent < count {
            let now = bytes[sent..<count].withUnsafeBytes {
                send(ends[1 - way].raw, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard now > 0 || errno == EAGAIN else { return cut() }
            sent += max(0, now)
        }
        passed[way] += count
        if passed[way] >= limits[way] { cut() }
    }

    private func cut() {
        ends = []
        isCut = true
    }
}

@Suite("a move whose connection is cut")
struct CutTests {
    /// What came of it: the source's state, whether the guest runs at the destination, what it failed with.
    private struct Outcome: Equatable {
        var source: RunState
        var destination: RunState
        var passed: [Int]
    }

    private func move(limits: [Int]) throws -> Outcome {
        let pair = try MovePair()
        let path = pair.directory.path + "/cut"
        let cutter = try Cutter(at: path, to: pair.directory.path + "/m", limits: limits)
        #expect(pair.source.type("migrate -d unix:\(path)") == ["> "])
        let isOver = pair.turn {
            cutter.pump()
            return !pair.source.migration.isMoving && pair.destination.run.state != .inmigrate
                || !pair.source.migration.isMoving && !pair.destination.said.lines.isEmpty
        }
        #expect(isOver, "\(limits)")
        let (source, destination) = (pair.source.run.state, pair.destination.run.state)
        #expect(source != .running || destination != .running, "\(limits)")
        #expect(source == .running || source == .postmigrate, "\(limits): \(source)")
        #expect((source == .running) == (pair.source.guest.log.last == "resume"), "\(limits)")
        return Outcome(source: source, destination: destination, passed: cutter.passed)
    }

    @Test("anywhere on the way there: the guest runs in one place, or the source says that nobody knows")
    func forth() throws {
        let whole = try move(limits: [.max, .max])
        #expect(whole.source == .postmigrate && whole.destination == .running)
        let length = whole.passed[0]
        var random = SeededGenerator(seed: 9)
        let some = (0..<Extent.count(40, whole: 1000)).map { _ in Int.random(in: 0..<length, using: &random) }
        // The last bytes are sections, PREPARE and COMMIT.
        for limit in some + (max(0, length - 160)..<length).map({ $0 }) {
            let outcome = try move(limits: [limit, .max])
            if outcome.destination != .running { continue }
            // It had COMMIT whole: nothing of the stream is missing.
            #expect(limit >= length - 1 || outcome.source == .postmigrate, "\(limit) of \(length)")
        }
    }

    @Test("anywhere on the way back: a source that heard PREPARED and not STARTED stands still")
    func back() throws {
        let length = try move(limits: [.max, .max]).passed[1]
        for limit in 0..<length {
            let outcome = try move(limits: [.max, limit])
            #expect(outcome.destination != .running || outcome.source == .postmigrate, "\(limit) of \(length)")
        }
    }
}
