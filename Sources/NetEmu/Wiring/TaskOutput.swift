// What the guest's task says, on its way to standard output, its complaints to standard error; netemu ends with the
// task's status once that was taken, however long the reader takes. A write that fails is told, once, and the task hears
// of it.

import Glibc
import GuestNode
import Linux

/// The output of a task.
final class TaskOutput {
    private let guest: any Guest
    private let port: OutputPort
    private let voice: Voice
    private var status: Int32?
    private var isLossTold = false
    /// Called once, when the task is over and everything that it said was taken, with its status.
    var onEnd: ((Int32) -> Void)?
    /// Called once, when standard output takes nothing more, with the reason (errno).
    var onLoss: ((Int32) -> Void)?

    /// - Parameters:
    ///   - descriptor: borrowed, open for the life of the task.
    ///   - voice: takes complaints.
    init(of guest: any Guest, to descriptor: CInt, on reactor: Reactor, voice: Voice) {
        self.guest = guest
        self.voice = voice
        port = OutputPort(descriptor, on: reactor)
        port.onRoom = { [weak self] in self?.pump() }
    }

    /// There may be something to take.
    func pump() {
        guard let output = guest.output else { return endIfDone(nil) }
        var isStuck = false
        while output.hasOutput, port.hasRoom, !isStuck {
            output.drainStreams({ bytes, kind in
                let taken = take(bytes, kind)
                isStuck = taken == 0
                return taken
            })
        }
        if let failure = port.failure, !isLossTold { tellLoss(failure, output) }
        endIfDone(output)
    }

    /// A complaint is said when what came before it has been taken: whoever reads both sees their order.
    private func take(_ bytes: UnsafeRawBufferPointer, _ kind: OutputKind) -> Int {
        switch kind {
        case .data: port.write(bytes)
        case .complaint:
            guard port.pending == 0 else { return 0 }
            voice.write(String(systemBytes: Array(bytes)))
        }
        return bytes.count
    }

    private func endIfDone(_ output: (any GuestOutput)?) {
        guard let status, output?.hasOutput != true, port.pending == 0, let onEnd else { return }
        self.onEnd = nil
        onEnd(status)
    }

    private func tellLoss(_ reason: Int32, _ output: any GuestOutput) {
        isLossTold = true
        onLoss?(reason)
        status = output.outputLost(SystemError.reason(reason)) ?? status
    }

    func ended(status: Int32) {
        self.status = status
        pump()
    }

    /// Waits for the reader, a moment at most. For the end of the program.
    func flush() { port.flush(milliseconds: 500) }
}
