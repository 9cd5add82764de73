// The source in QEMU's words.

import Bytes

extension MigrationSource {
    /// Where it stands at `now`.
    public func status(now: Instant) -> MigrationStatus {
        var status = MigrationStatus()
        status.word = word
        status.failure = isCancelled ? nil : failure
        let end = milestones.end ?? now
        if let start = milestones.start { status.total = end.since(start) }
        if let start = milestones.start { status.setup = (milestones.rounds ?? end).since(start) }
        status.downtime = milestones.stopAsked.map { end.since($0) }
        status.phases = milestones.phases(until: now)
        status.transferred = writer.written
        status.precopyBytes = min(bytesAtStop ?? writer.written, writer.written)
        status.downtimeBytes = writer.written &- status.precopyBytes
        status.remaining = UInt64(max(0, sender?.remaining ?? 0)) * UInt64(MigrationLimits.pageSize)
        status.totalRAM = UInt64(max(0, pages.pageCount)) * UInt64(MigrationLimits.pageSize)
        status.pages = sender?.counters ?? PageCounters()
        status.unmarked = sender?.unmarked ?? 0
        status.dirtyRate = dirtyRate
        status.iterations = iterations
        status.arrived = arrived.count
        status.arrivedDropped = arrivedDropped
        return status
    }

    private var word: MigrationStatus.Word {
        switch phase {
        case .idle: .none
        case .greeting: .setup
        case .rounds: .active
        case .stopping, .saving, .sections, .preparing, .committing, .committed: .device
        case .completed: .completed
        case .failed where isCancelled: writer.pending.isEmpty ? .cancelled : .cancelling
        case .failed, .uncertain: .failed
        }
    }
}
