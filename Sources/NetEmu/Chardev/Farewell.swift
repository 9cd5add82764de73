// What a device that has been removed still owes somebody who reads slowly. Nothing waits for him: it is written as he
// takes it, for a while.

import Glibc
import Linux

/// The last bytes for a reader.
final class Farewell {
    /// How long a reader has to take them, in nanoseconds.
    private static let patience: UInt64 = 5_000_000_000

    private let port: OutputPort
    /// Keeps the port's descriptor open.
    private var socket: SharedDescriptor?
    private let reactor: Reactor
    private var timer: TimerID?
    /// Called once, when all was taken or nobody takes it.
    var onEnd: (() -> Void)?

    init(_ port: OutputPort, on reactor: Reactor, keeping socket: SharedDescriptor? = nil) {
        self.port = port
        self.socket = socket
        self.reactor = reactor
        port.onRoom = { [weak self] in self?.look() }
        timer = reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ Self.patience) { [weak self] in self?.end() }
    }

    deinit { end() }

    /// For the end of the program: waits for the reader, a moment at most.
    func flush() {
        port.flush(milliseconds: 500)
        end()
    }

    private func look() { if port.pending == 0 { end() } }

    private func end() {
        if let timer { reactor.cancel(timer) }
        timer = nil
        port.close()
        socket = nil
        let done = onEnd
        onEnd = nil
        done?()
    }
}
