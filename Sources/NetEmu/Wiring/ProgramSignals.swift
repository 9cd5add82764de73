// What signals mean to netemu: an orderly end, a stop and a go on, as a terminal program does it.

import Glibc
import Linux

/// The signals that netemu reads from the loop.
final class ProgramSignals {
    enum Meaning: Equatable {
        /// Ends the program: the signal, and who sent it.
        case end(signal: CInt, sender: pid_t)
        case stop
        case resume
    }

    private static let ending: [CInt] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT]
    private let descriptor: SignalDescriptor
    private var watch: WatchID?

    /// Call before any thread is started.
    init() throws(SystemError) {
        descriptor = try SignalDescriptor(Self.ending + [SIGTSTP, SIGCONT])
    }

    func start(on reactor: Reactor, _ handler: @escaping (Meaning) -> Void) throws(SystemError) {
        let descriptor = descriptor
        watch = try reactor.watch(descriptor.descriptor.raw, for: .readable) { _ in
            while let arrival = descriptor.next() { handler(Self.meaning(of: arrival)) }
        }
    }

    static func meaning(of arrival: SignalDescriptor.Arrival) -> Meaning {
        switch arrival.number {
        case SIGTSTP: .stop
        case SIGCONT: .resume
        default: .end(signal: arrival.number, sender: arrival.sender)
        }
    }
}
