// What the back-end writes to guest memory while that is copied: it marks in a log of its own, which WriteTracking takes
// together with all others. Whatever happens that leaves a write unmarked is said there: a back-end that works without a
// log, one that went while it worked.

import Linux
import Virtio

extension FrontEnd {
    /// The back-end marks what it writes to the rings' memory, which is being tracked. `done` within `logDeadline` and what
    /// the back-end is asked before that: from then on all that it writes is marked, or its tracking knows that it is not.
    public func beginLog(_ done: @escaping () -> Void) {
        guard let tracking = machine.memory?.tracking else { return reactor.atEndOfTurn(done) }
        do {
            let log = try DirtyLog(name: "vhost-log", pageCount: tracking.pageCount, isShared: true)
            let region = try LogRegion(size: UInt64(log.memory.size), offset: 0)
            self.log = log
            onLogged = { [unowned reactor] refusal in
                if refusal == nil { tracking.add(log) }
                reactor.atEndOfTurn(done)
            }
            machine.beginLog(Attachment(log.memory), region, now: now)
            perform()
        } catch {
            tracking.lose("\(error)")
            reactor.atEndOfTurn(done)
        }
    }

    /// Nobody wants to know any more.
    public func endLog() {
        machine.endLog(now: now)
        log = nil
        onLogged = nil
        perform()
    }

    /// The machine's word: it marks (nil), or it does not, or no more.
    func logged(_ refusal: VhostUserError?) {
        // Rings that do not run are not written; a start will ask again.
        if let refusal, worksOnRings { machine.memory?.tracking?.lose("\(refusal)") }
        onLogged?(refusal)
        onLogged = nil
    }

    private var worksOnRings: Bool { ![.disconnected, .handshaking, .ready].contains(machine.state) }

    /// Rings are about to start.
    func loseTrackWithoutLog() {
        guard let tracking = machine.memory?.tracking, machine.logState != .on else { return }
        tracking.lose("a vhost-user back-end began to work while memory was copied")
    }

    /// It may have written what it had not marked yet.
    func loseTrackOfWrites(_ reason: VhostUserError) {
        guard !machine.queues.isEmpty else { return }
        machine.memory?.tracking?.lose("\(reason)")
    }
}
