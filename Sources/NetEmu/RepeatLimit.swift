// Warnings that a peer can bring about as often as it likes: each is said at once, its repetitions are
// counted and told once a second. Decides about lines only; when it is asked, and where they go, is others'.

import Linux

/// Which lines of one source are said and which are only counted.
struct RepeatLimit {
    /// How long repetitions are gathered, in nanoseconds.
    static let window: UInt64 = 1_000_000_000
    /// Different lines that are said in one window.
    static let differentLines = 4

    /// Lines of this window that were said, here or in the count of an earlier one.
    private var said: [String] = []
    private var held = 0
    private var lastHeld = ""
    /// When the window ends; nil when none is open.
    private(set) var windowEnd: UInt64?

    /// True: say `line`. False: it was counted.
    mutating func admit(_ line: String, now: UInt64) -> Bool {
        if windowEnd == nil { windowEnd = now &+ Self.window }
        if !said.contains(line), said.count < Self.differentLines {
            said.append(line)
            return true
        }
        held += 1
        lastHeld = line
        return false
    }

    /// The window is over: what is to be said of the lines that were held back, nil when there were none. While they go
    /// on the next window opens at once.
    mutating func endWindow(now: UInt64) -> String? {
        guard held > 0 else {
            (said, windowEnd) = ([], nil)
            return nil
        }
        defer { (held, windowEnd) = (0, now &+ Self.window) }
        return "\(lastHeld) (\(held == 1 ? "once" : "\(held) times") more within a second)"
    }
}

/// The warnings of one source, limited, on the reactor's time.
final class LimitedWarnings {
    private let reactor: Reactor
    private let say: (String) -> Void
    private var limit = RepeatLimit()
    private var timer: TimerID?

    /// - Parameter say: is given each line that is to be said.
    init(on reactor: Reactor, say: @escaping (String) -> Void) {
        self.reactor = reactor
        self.say = say
    }

    deinit { if let timer { reactor.cancel(timer) } }

    func warn(_ line: String) {
        if limit.admit(line, now: reactor.nowNanoseconds) { say(line) }
        arm()
    }

    private func arm() {
        guard timer == nil, let end = limit.windowEnd else { return }
        timer = reactor.schedule(atNanoseconds: end) { [weak self] in self?.windowEnded() }
    }

    private func windowEnded() {
        timer = nil
        if let line = limit.endWindow(now: reactor.nowNanoseconds) { say(line) }
        arm()
    }
}
