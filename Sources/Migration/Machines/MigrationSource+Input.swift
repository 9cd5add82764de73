// What the source hears, and what it does not hear in time.

import Bytes

extension MigrationSource {
    /// Where the descriptor puts the next bytes. What is said to a snapshot is thrown away.
    public var inputRoom: UnsafeMutableRawBufferPointer { reader.room }

    /// So many bytes were put into `inputRoom`.
    public func received(_ count: Int, now: Instant) {
        reader.filled(count)
        guard !isSnapshot else { return reader.discard() }
        do throws(StreamFault) {
            while !isOver, let frame = try reader.next() { try handle(frame, now) }
        } catch { fail(.stream(error), now) }
    }

    /// The other end says no more.
    public func inputEnded(now: Instant) {
        guard !isSnapshot, !isOver else { return }
        if phase == .greeting, waitsAndSees { return becomeSnapshot(now) }
        fail(.closed, now)
    }

    private func becomeSnapshot(_ now: Instant) {
        isSnapshot = true
        beginRounds(now)
    }

    private func handle(_ frame: LentFrame, _ now: Instant) throws(StreamFault) {
        switch (frame.kind, phase) {
        case (.reply, .greeting):
            let reply = try StreamFault.reading("a greeting") { () throws(StateError) in
                try MigrationGreeting(from: frame.body)
            }
            guard reply.program == greeting.program else {
                return fail(.program(reply.program, here: greeting.program), now)
            }
            actions.append(.answered(reply))
            beginRounds(now)
        case (.prepared, .preparing): enter(.committing, now)
        case (.started, .committed): complete(Array(frame.body), now)
        case (.destinationFailure, _): fail(.said(frame.body), now)
        default: throw .unexpected(kind: frame.kind.rawValue)
        }
    }

    // MARK: time

    /// When `advance` wants to be called; nil when nothing is waited for.
    public var nextDeadline: Instant? {
        guard !isOver else { return nil }
        let due = [wait.map { phaseBegan + $0.time }, silence, phase == .rounds ? pacedUntil : nil]
        return due.compactMap { $0 }.min()
    }

    /// Time passed: what was waited for may be late.
    public func advance(to now: Instant) {
        guard !isOver else { return }
        if let until = pacedUntil, now >= until { pacedUntil = nil }
        if let wait, now >= phaseBegan + wait.time {
            if phase == .greeting, waitsAndSees { return becomeSnapshot(now) }
            return fail(.late(wait.what, wait.time), now)
        }
        if let silence, now >= silence { fail(.late(.writing, patience.silence), now) }
    }

    /// Nobody has answered yet, and nobody has to.
    private var waitsAndSees: Bool { silentAfter != nil && reader.received == 0 }

    /// Who has said something is waited for as long as anybody who has to answer.
    private var replyTime: Interval {
        waitsAndSees ? silentAfter ?? patience.reply : max(silentAfter ?? .zero, patience.reply)
    }

    /// What is waited for in this phase.
    private var wait: (what: MigrationFailure.Wait, time: Interval)? {
        switch phase {
        case .greeting: (.greeting, replyTime)
        case .stopping: (.stop, patience.stop)
        case .saving: (.save, patience.save)
        case .preparing: (.prepared, patience.prepared)
        case .committed: (.started, patience.started)
        case .idle, .rounds, .sections, .committing, .completed, .failed, .uncertain: nil
        }
    }

    /// When the other end has taken nothing for too long, if something waits for it.
    private var silence: Instant? { writer.pending.isEmpty ? nil : lastProgress + patience.silence }
}
