// What the guest's task says, on its way to standard output; netemu ends with the task's status once that was taken,
// however long the reader takes. A write that fails is told, once, and the task hears of it.

import Glibc
import Linux

/// The output of a task.
final class TaskOutput {
    private let guest: any Guest
    private let port: OutputPort
    private var status: Int32?
    private var isLossTold = false
    /// Called once, when the task is over and everything that it said was taken, with its status.
    var onEnd: ((Int32) -> Void)?
    /// Called once, when standard output takes nothing more, with the reason.
    var onLoss: ((String) -> Void)?

    /// - Parameter descriptor: borrowed, open for the life of the task.
    init(of guest: any Guest, to descriptor: CInt, on reactor: Reactor) {
        self.guest = guest
        port = OutputPort(descriptor, on: reactor)
        port.onRoom = { [weak self] in self?.pump() }
    }

    /// There may be something to take.
    func pump() {
        guard let output = guest.output else { return }
        while output.hasOutput, port.hasRoom {
            output.drainOutput { bytes in
                port.write(bytes)
                return bytes.count
            }
        }
        if let failure = port.failure, !isLossTold { tellLoss(String(cString: strerror(failure)), output) }
        guard let status, !output.hasOutput, port.pending == 0, let onEnd else { return }
        self.onEnd = nil
        onEnd(status)
    }

    private func tellLoss(_ reason: String, _ output: any GuestOutput) {
        isLossTold = true
        onLoss?(reason)
        status = output.outputLost(reason) ?? status
    }

    func ended(status: Int32) {
        self.status = status
        pump()
    }

    /// Waits for the reader, a moment at most. For the end of the program.
    func flush() { port.flush(milliseconds: 500) }
}
