// The destination in QEMU's words.

import Bytes

extension MigrationDestination {
    /// Where it stands at `now`.
    public func status(now: Instant) -> MigrationStatus {
        var status = MigrationStatus()
        status.word = word
        status.failure = failure
        status.total = (startTime ?? (isOver ? phaseBegan : now)).since(began)
        status.downtime = commitTime.map { (startTime ?? now).since($0) }
        status.transferred = reader.received
        status.pages = counters
        status.iterations = rounds
        status.remaining = dirty &* UInt64(MigrationLimits.pageSize)
        status.totalRAM = UInt64(max(0, pages.pageCount)) * UInt64(MigrationLimits.pageSize)
        status.arrived = arrivedCount
        status.arrivedDropped = arrivedDropped
        return status
    }

    private var word: MigrationStatus.Word {
        switch phase {
        case .greeting: .setup
        case .comparing, .receiving: .active
        case .preparing, .prepared, .loading: .device
        case .started, .completed: .completed
        case .failed: .failed
        }
    }
}
