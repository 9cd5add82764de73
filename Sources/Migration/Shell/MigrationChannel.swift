// A connection to the other end: one descriptor for both directions, or one for each, or one direction only. Sockets,
// pipes and files; a file is never waited for (epoll(7) refuses it), the next turn goes on with it.

import Glibc
import Linux

/// What a migration goes over. Programs ignore SIGPIPE (`ProcessStart.prepare`): a pipe's reader may go.
public struct MigrationChannel {
    /// What the other end says comes from here; nil: it says nothing.
    public let input: SharedDescriptor?
    /// What is said to the other end goes here; nil: it listens to nobody.
    public let output: SharedDescriptor?
    /// For a source: who is there.
    public let mode: MigrationSource.Mode
    /// The program at the other end, of `exec:`.
    public let child: MigrationChild?
    /// What errors of it are about; empty for what has no name.
    var name = ""
    /// For a snapshot that did not become whole: takes away what there is of it.
    var discard: (() -> Void)?

    /// - Parameters:
    ///   - input: non-blocking, unless it is a file; may be the same as `output`.
    ///   - output: likewise.
    ///   - mode: for a source: who is there.
    ///   - child: the program at the other end.
    public init(
        input: SharedDescriptor?, output: SharedDescriptor?, mode: MigrationSource.Mode, child: MigrationChild? = nil
    ) {
        self.input = input
        self.output = output
        self.mode = mode
        self.child = child
    }

    /// Both directions of a connected stream socket, with somebody who answers.
    public init(_ socket: SharedDescriptor) { self.init(input: socket, output: socket, mode: .answered) }
}

/// The program of `exec:`, as long as it runs and after.
public final class MigrationChild {
    /// How it ended, once it has.
    public internal(set) var end: ProcessEnd?
    /// Called when it has ended.
    var onEnd: (() -> Void)?
    private let stop: () -> Void

    init(stop: @escaping () -> Void) { self.stop = stop }

    deinit { if end == nil { stop() } }
}

/// A channel's descriptors in a loop.
final class ChannelIO {
    enum Outcome {
        case bytes(Int)
        case blocked
        case ended
        case failed(SystemError)
    }

    private let reactor: Reactor
    private var input: SharedDescriptor?
    private var output: SharedDescriptor?
    private var inputWatch: WatchID?
    private var outputWatch: WatchID?
    private let name: String
    private let onReady: () -> Void
    private var isScheduled = false

    /// - Parameter onReady: called in a turn in which there is something to read or room to write.
    init(_ channel: MigrationChannel, on reactor: Reactor, onReady: @escaping () -> Void) throws(SystemError) {
        self.reactor = reactor
        self.onReady = onReady
        name = channel.name
        (input, output) = (channel.input, channel.output)
        inputWatch = try watch(input, .readable)
        outputWatch = try watch(output, [])
    }

    /// Nil for what epoll refuses.
    private func watch(_ descriptor: SharedDescriptor?, _ events: Readiness) throws(SystemError) -> WatchID? {
        guard let descriptor else { return nil }
        do throws(SystemError) {
            return try reactor.watch(descriptor.raw, for: events) { [weak self] _ in self?.onReady() }
        } catch {
            guard error.code == EPERM else { throw error }
            return nil
        }
    }

    deinit { close() }

    var hasInput: Bool { input != nil }
    var hasOutput: Bool { output != nil }

    func read(into room: UnsafeMutableRawBufferPointer) -> Outcome {
        guard let input else { return .ended }
        guard let start = room.baseAddress, !room.isEmpty else { return .blocked }
        let count = Glibc.read(input.raw, start, room.count)
        if count > 0 { return .bytes(count) }
        return count == 0 ? .ended : failure("read", errno)
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard let output else { return .ended }
        var count = send(output.raw, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
        if count < 0, errno == ENOTSOCK { count = Glibc.write(output.raw, bytes.baseAddress, bytes.count) }
        return count >= 0 ? .bytes(count) : failure("write", errno)
    }

    private func failure(_ call: String, _ code: CInt) -> Outcome {
        code == EAGAIN || code == EINTR ? .blocked : .failed(SystemError(call: call, code: code, subject: name))
    }

    /// Tells when there is something to read; for a file in the next turn.
    func wantInput(_ isWanted: Bool) {
        if let inputWatch { return reactor.change(inputWatch, to: isWanted ? .readable : []) }
        if input != nil, isWanted { comeAgain() }
    }

    /// Tells when there is room again; for a file in the next turn.
    func wantOutput(_ isWanted: Bool) {
        if let outputWatch { return reactor.change(outputWatch, to: isWanted ? .writable : []) }
        if output != nil, isWanted { comeAgain() }
    }

    private func comeAgain() {
        guard !isScheduled else { return }
        isScheduled = true
        reactor.schedule(atNanoseconds: reactor.nowNanoseconds) { [weak self] in
            self?.isScheduled = false
            self?.onReady()
        }
    }

    /// Nothing more is read.
    func closeInput() {
        if let inputWatch { reactor.remove(inputWatch) }
        (inputWatch, input) = (nil, nil)
    }

    /// Nothing more is written; a socket's other end sees that.
    func closeOutput() {
        if let outputWatch { reactor.remove(outputWatch) }
        if let output { shutdown(output.raw, CInt(SHUT_WR)) }
        (outputWatch, output) = (nil, nil)
    }

    func close() {
        closeInput()
        closeOutput()
    }
}
