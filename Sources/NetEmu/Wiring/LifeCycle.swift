// The life of netemu: back-ends first, then the guest and whoever is at a monitor; what ends it, with which status,
// and in which order things go then. What runs, and how commands change it, is others' business.

import Glibc
import Linux

/// From the start to the end, in one place.
final class LifeCycle {
    enum Phase {
        case starting, running
        /// The guest says good-bye; back-ends still carry its frames.
        case parting
        case ending
    }

    /// What it starts and ends.
    struct Parts {
        let guest: any Guest
        let network: Network
        let chardevs: ChardevTable
        let run: RunControl
        let reactor: Reactor
        let voice: Voice
    }

    /// What the command line says of it.
    struct Terms {
        /// netemu ends with the status of a task or of a shell, and tells a signal's as a shell does.
        var hasShellStatus = false
        /// `-S`: the guest waits for `cont`.
        var isStopped = false
        /// Of netemu's own failure.
        var failureStatus: Int32 = 1
        /// Said once everything has been made.
        var warnings: [String] = []
        /// The first words.
        var greeting = Greeting()
    }

    private let parts: Parts
    private let terms: Terms
    /// Everything is set up; called once, before the guest starts.
    var onRunning: (() throws(EmulationError) -> Void)?
    /// The guest is to come: called once everything is ready for it, instead of letting one run.
    var awaitGuest: (() -> Void)?
    /// The end has begun; called once.
    var onEnding: (() -> Void)?
    /// What has begun has to be over before back-ends end; it calls what it is given then.
    var lastDuty: ((_ done: @escaping () -> Void) -> Void)?
    private(set) var phase = Phase.starting
    /// Success is only what everybody got, all of what was to be read included.
    var exitStatus: Int32 { status == 0 ? lossStatus ?? 0 : status }
    private var status: Int32 = 0
    /// Of the first thing that got lost.
    private var lossStatus: Int32?
    /// That of a program which SIGPIPE ends, as a shell tells it.
    static let brokenPipe: Int32 = 128 + 13

    /// The guest's connections are closed within this time, or reset.
    private static let partingPatience: UInt64 = 500_000_000
    /// Then everything ends within this time, whatever a back-end does: two seconds in all.
    private static let endPatience: UInt64 = 1_400_000_000

    init(_ parts: Parts, _ terms: Terms) {
        self.parts = parts
        self.terms = terms
        parts.chardevs.onExit = { [weak self] in self?.end(status: 0) }
        parts.chardevs.onEvent = { [weak self] in self?.chardevSaid($0) }
    }

    // MARK: start

    /// Starts the back-ends; guest and monitors follow when every one is ready.
    func start() {
        if awaitGuest == nil { parts.guest.begin() }
        parts.chardevs.startSockets()
        if let failure = parts.chardevs.failure { return fail(failure) }
        parts.network.start()
        for name in parts.chardevs.awaited { parts.voice.say("info: netemu waiting for connection on: \(name)") }
        goOnWhenReady()
    }

    private func chardevSaid(_ event: ChardevEvent) {
        switch event {
        case .failed(let error): if phase == .starting { fail(error) }
        case .cameFurther: goOnWhenReady()
        }
    }

    private func goOnWhenReady() {
        guard phase == .starting, parts.network.isReady, parts.chardevs.isReady else { return }
        for warning in terms.warnings { parts.voice.warn(warning) }
        do throws(EmulationError) { try onRunning?() } catch { return fail(error) }
        phase = .running
        greet()
        parts.run.isAllowed = true
        if let awaitGuest { awaitGuest() } else if !terms.isStopped { parts.run.resume() }
        parts.chardevs.start()
    }

    private func greet() {
        if let banner = terms.greeting.banner { parts.chardevs.standard?.write((banner + "\r\n").utf8) }
        for line in terms.greeting.remarks { parts.voice.say(line) }
        if terms.greeting.isInputUnread, StandardStream.hasWaitingInput {
            parts.voice.say("nobody reads standard input, and something is there: \(Greeting.inputReaders)")
        }
    }

    // MARK: what may end it

    /// A back-end tells something of itself.
    func netdevSaid(_ event: NetdevEvent) {
        switch event {
        case .failed(let error): if phase == .starting { fail(error) }
        case .connected, .disconnected: goOnWhenReady()
        case .ended: if phase == .ending, parts.network.isGone { parts.reactor.stop() }
        }
    }

    /// netemu, or its guest, cannot do what it is for.
    func fail(_ error: EmulationError) {
        guard phase == .starting || phase == .running else { return }
        parts.voice.write(error.message + "\n")
        end(status: terms.failureStatus)
    }

    /// What a signal asks for.
    func handle(_ signal: ProgramSignals.Meaning) {
        switch signal {
        case .stop: parts.chardevs.standard?.suspend()
        case .resume: parts.chardevs.standard?.resume()
        case .end(let number, let sender):
            let from = sender > 0 ? " from pid \(sender)" : ""
            parts.voice.say("terminating on signal \(number)\(from)")
            end(status: terms.hasShellStatus ? 128 + number : 0)
        }
    }

    /// Without the minder no passt can be started, and none would be cleaned up.
    func minderEnded() {
        guard phase == .starting || phase == .running else { return }
        parts.voice.say("the process that minds netemu's children has ended")
        end(status: terms.failureStatus)
    }

    /// Standard output takes nothing more, for a reason of errno: said once. A reader who has had enough is no news.
    func outputLost(_ reason: Int32) {
        guard lossStatus == nil else { return }
        lossStatus = reason == EPIPE ? Self.brokenPipe : terms.failureStatus
        if reason != EPIPE { parts.voice.say("standard output: \(SystemError.reason(reason))") }
    }

    /// Standard input could not be read to its end, which is told already.
    func inputLost() { lossStatus = lossStatus ?? terms.failureStatus }

    /// The guest's memory is gone: nobody can part in order, and no back-end is of use again, or to blame.
    func memoryLost(_ error: EmulationError) {
        guard phase == .starting || phase == .running else { return }
        parts.voice.write(error.message + "\n")
        status = terms.failureStatus
        onEnding?()
        parts.run.isAllowed = false
        endBackEnds()
    }

    // MARK: the end

    /// Ends the program: the first reason decides the status. What the guest has said is delivered before the
    /// back-ends end, and what does not end by itself is reset, so that no peer waits for somebody who is gone.
    func end(status: Int32) {
        guard phase == .starting || phase == .running else { return }
        phase = .parting
        self.status = status
        onEnding?()
        parts.run.isAllowed = false
        parts.guest.end(within: Self.partingPatience) { [weak self] in self?.finishDuty() }
    }

    private func finishDuty() {
        guard let lastDuty else { return endBackEnds() }
        lastDuty { [weak self] in self?.endBackEnds() }
    }

    private func endBackEnds() {
        phase = .ending
        parts.network.stop()
        guard !parts.network.isGone else { return parts.reactor.stop() }
        parts.reactor.schedule(atNanoseconds: parts.reactor.nowNanoseconds &+ Self.endPatience) { [weak self] in
            self?.parts.reactor.stop()
        }
    }
}
