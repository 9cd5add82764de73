// The server's side as a shell on a reactor: the listening socket, one helper at a time, the timer.
// What is sent when is the machine's business (RepairServerMachine).

import Bytes
import Glibc
import Linux

/// Lets a helper switch TCP_REPAIR on sockets of this process.
public final class RepairServer {
    private let reactor: Reactor
    private let place: PlacedFile
    let acceptor: Acceptor
    private var machine: RepairServerMachine
    private var helper: SharedDescriptor?
    private var helperWatch: WatchID?
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.timeCame() }
    private var sockets: [CInt] = []
    private var completion: ((RepairServerMachine.Outcome) -> Void)?

    /// Whether a helper is connected, so that a request would start at once.
    public var hasHelper: Bool { helper != nil }

    /// Listens at `path`. The socket file is removed with the server, if it still lies there.
    /// - Parameters:
    ///   - path: of any length.
    ///   - reactor: where helpers are heard.
    ///   - patience: how long a helper may take to come, and to answer each batch.
    public init(path: String, reactor: Reactor, patience: Interval = .seconds(5)) throws(SystemError) {
        self.reactor = reactor
        machine = RepairServerMachine(patience: patience)
        let listener = SharedDescriptor(try UnixSocket.listen(at: path, backlog: 1))
        place = PlacedFile(path)
        do throws(SystemError) { acceptor = try Acceptor(listener, on: reactor) } catch {
            place.remove()
            throw error
        }
        acceptor.onConnection = { [weak self] in self?.accepted($0) }
    }

    deinit {
        if let helperWatch { reactor.remove(helperWatch) }
        acceptor.stop()
        place.remove()
    }

    /// Switches `sockets` (borrowed until `completion`), in batches, all or nothing. One request at a time:
    /// false when one is under way.
    public func request(
        _ command: RepairCommand, _ sockets: [CInt], completion: @escaping (RepairServerMachine.Outcome) -> Void
    ) -> Bool {
        guard !machine.isBusy else { return false }
        self.sockets = sockets
        self.completion = completion
        perform(machine.request(command, count: sockets.count, now: now))
        return true
    }

    /// Ends the conversation: to the helper this is the end of a migration.
    public func closeHelper() {
        dropHelper()
        perform(machine.helperClosed(now: now))
    }

    private var now: Instant { Instant(nanoseconds: reactor.nowNanoseconds) }

    private func accepted(_ shared: SharedDescriptor) {
        // One helper at a time; another one is told by end of file.
        guard helper == nil else { return }
        guard let watch = try? reactor.watch(shared.raw, for: .readable, handler: { [weak self] _ in self?.receive() })
        else { return }
        helper = shared
        helperWatch = watch
        perform(machine.helperConnected(now: now))
    }

    private func receive() {
        guard let helper else { return }
        var byte: UInt8 = 0
        let count = recv(helper.raw, &byte, 1, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        if count == 1 {
            perform(machine.answered(byte, now: now))
        } else {
            dropHelper()
            perform(machine.helperClosed(now: now))
        }
    }

    private func perform(_ actions: [RepairServerMachine.Action]) {
        for action in actions {
            switch action {
            case .send(let command, let range): send(command, range)
            case .closeHelper: dropHelper()
            case .audit(let command):
                sockets = sockets.filter { (try? RepairOption($0).isOn()) == (command == .on) }
                perform(machine.audited(command, count: sockets.count, now: now))
            case .finish(let outcome):
                sockets = []
                let done = completion
                completion = nil
                done?(outcome)
            }
        }
        arm()
    }

    private func send(_ command: RepairCommand, _ range: Range<Int>) {
        guard let helper else { return }
        let batch = Array(sockets[range])
        let sent = withUnsafeBytes(of: command.byte) { byte in
            try? UnixSocket.send(helper.raw, byte, descriptors: batch)
        }
        guard sent == 1 else {
            dropHelper()
            return perform(machine.helperClosed(now: now))
        }
    }

    private func dropHelper() {
        if let helperWatch { reactor.remove(helperWatch) }
        helperWatch = nil
        helper = nil
    }

    private func arm() { alarm.set(machine.deadline?.nanoseconds) }

    private func timeCame() { perform(machine.advance(to: now)) }
}
