// A guest says where it is, several times: when the rounds are due is AnnounceSchedule's, how one is made the guest's.

import Bytes
import GuestNode
import Linux

/// Announcements under way on a reactor.
final class Announcer {
    private struct Announcement {
        var schedule: AnnounceSchedule
        /// By these cards; nil: by all.
        var cards: Set<String>?
    }

    private let reactor: Reactor
    private let round: (Set<String>?) -> Void
    /// By the name that whoever asked for them gave.
    private var running: [String: Announcement] = [:]
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.advance() }

    /// - Parameter round: makes one round, by the named cards or by all.
    init(on reactor: Reactor, _ round: @escaping (Set<String>?) -> Void) {
        self.reactor = reactor
        self.round = round
    }

    /// Makes the first round at once and the others when they are due. One that is under way with the same id is over.
    func begin(
        _ parameters: AnnounceSchedule.Parameters = .init(), id: String = "", cards: Set<String>? = nil
    ) {
        running[id] = Announcement(schedule: AnnounceSchedule(parameters, from: now), cards: cards)
        advance()
    }

    private var now: Instant { Instant(nanoseconds: reactor.nowNanoseconds) }

    private func advance() {
        for id in running.keys.sorted() {
            if running[id]?.schedule.takeRound(now) == true { round(running[id]?.cards) }
        }
        running = running.filter { $0.value.schedule.nextRound != nil }
        alarm.set(running.values.compactMap(\.schedule.nextRound).min()?.nanoseconds)
    }
}
