// What a terminal shows while a guest moves: how much of its memory is there, how fast it goes, how long it takes.

import Bytes
import Linux
import Migration

/// A line on the terminal, from half a second after the beginning of a move to its end.
final class MoveProgress {
    private static let delay = Interval.milliseconds(500)
    private static let step = Interval.milliseconds(250)

    private let show: (String?) -> Void
    private let status: () -> MigrationStatus
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.draw() }
    private let reactor: Reactor

    /// Nil where no terminal is.
    init?(_ site: MoveSite, of status: @escaping () -> MigrationStatus) {
        guard let show = site.voice.show else { return nil }
        (self.show, self.status, reactor) = (show, status, site.reactor)
        set(Self.delay)
    }

    private func set(_ time: Interval) { alarm.set(reactor.nowNanoseconds &+ UInt64(time.nanoseconds)) }

    private func draw() {
        show(Self.line(status()))
        set(Self.step)
    }

    func stop() {
        alarm.set(nil)
        show(nil)
    }

    /// `migrate: round 2, 64 MiB of 128 MiB, 850 MiB/s, 0.1 s left`.
    static func line(_ status: MigrationStatus) -> String {
        switch status.word {
        case .active where status.totalRAM > 0:
            let done = status.totalRAM &- min(status.remaining, status.totalRAM)
            let parts = [
                "round \(max(1, status.iterations))",
                "\(MigrationInfo.size(done)) of \(MigrationInfo.size(status.totalRAM))",
                "\(MigrationInfo.size(UInt64(status.throughput * 125_000)))/s",
            ]
            return "migrate: " + (parts + (status.timeLeft.map { [left($0)] } ?? [])).joined(separator: ", ")
        case .device: return "migrate: the guest is handed over"
        default: return "migrate: waiting for the destination"
        }
    }

    private static func left(_ time: Interval) -> String {
        let tenths = (time.nanoseconds + 99_999_999) / 100_000_000
        guard tenths < 864_000 else { return "more than a day left" }
        return tenths < 600 ? "\(tenths / 10).\(tenths % 10) s left" : "\(tenths / 600) min \(tenths / 10 % 60) s left"
    }
}
