// What signals mean to netemu: an orderly end, a stop and a go on, as a terminal program does it. Whatever would end a
// process that says nothing about it ends netemu in order, but for three that QEMU lives on with.

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

    /// QEMU's own: they wake its threads.
    private static let ignored: [CInt] = [SIGUSR1, SIGALRM, SIGPOLL]
    private let descriptor: SignalDescriptor
    private var watch: WatchID?

    /// Call before any thread is started.
    init() throws(SystemError) {
        descriptor = try SignalDescriptor(SignalDescriptor.ending + [SIGTSTP, SIGCONT])
    }

    func start(on reactor: Reactor, _ handler: @escaping (Meaning) -> Void) throws(SystemError) {
        let descriptor = descriptor
        watch = try reactor.watch(descriptor.descriptor.raw, for: .readable) { _ in
            while let arrival = descriptor.next() { if let meaning = Self.meaning(of: arrival) { handler(meaning) } }
        }
    }

    /// Nil for what has no meaning here.
    static func meaning(of arrival: SignalDescriptor.Arrival) -> Meaning? {
        switch arrival.number {
        case let number where ignored.contains(number): nil
        case SIGTSTP: .stop
        case SIGCONT: .resume
        default: .end(signal: arrival.number, sender: arrival.sender)
        }
    }
}
