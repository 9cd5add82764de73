// Taking connections from a listening socket, one a turn. A listener stays readable as long as a connection waits, also
// when it cannot be taken because no descriptor is free: after such a failure it rests for a moment, or the loop would
// do nothing else.

import CLinux
import Glibc

/// A listening socket on a reactor. It ends with its owner.
public final class Acceptor {
    /// How long it rests, in nanoseconds.
    static let rest: UInt64 = 20_000_000

    let listener: SharedDescriptor
    private let reactor: Reactor
    /// Is given each connection, in a turn of the reactor; set before the next one.
    public var onConnection: ((SharedDescriptor) -> Void)?
    private var watch: WatchID?
    private var timer: TimerID?

    /// While it is paused connections wait where they are.
    public var isPaused = false {
        didSet { if oldValue != isPaused { arm() } }
    }

    /// Takes connections from the next turn on.
    public init(_ listener: SharedDescriptor, on reactor: Reactor) throws(SystemError) {
        self.listener = listener
        self.reactor = reactor
        watch = try reactor.watch(listener.raw, for: .readable) { [weak self] _ in self?.accept() }
    }

    deinit { stop() }

    /// Takes nothing any more.
    public func stop() {
        if let watch { reactor.remove(watch) }
        if let timer { reactor.cancel(timer) }
        (watch, timer) = (nil, nil)
    }

    /// Whether it rests after a failure.
    var isResting: Bool { timer != nil }

    private func arm() {
        if let watch { reactor.change(watch, to: isPaused || isResting ? [] : .readable) }
    }

    private func accept() {
        guard !isPaused, !isResting else { return }
        do throws(SystemError) {
            let connection = SharedDescriptor(try UnixSocket.accept(listener.descriptor))
            onConnection?(connection)
        } catch {
            if error.code != EAGAIN, error.code != EINTR { beginRest() }
        }
    }

    private func beginRest() {
        timer = reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ Self.rest) { [weak self] in
            self?.timer = nil
            self?.arm()
        }
        arm()
    }
}
