// A program started by a test: output captured in memory files (so it never blocks), every wait has a deadline,
// and it is ended by its own pid when the test is done with it, also when the test fails. If the whole test
// process dies, the kernel ends the child (PR_SET_PDEATHSIG, set by setpriv as the last step before the program).

import CLinux
import Glibc
import Linux

/// How a child ended.
public enum ExitStatus: Equatable, Sendable {
    case exited(Int32)
    case signalled(Int32)

    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .signalled(signal)
    }
}

/// What went wrong around a child; the text carries what it had printed.
public struct TestFailure: Error, CustomStringConvertible {
    public let description: String
    public init(description: String) { self.description = description }
}

/// What a child reads from.
public enum ChildInput: Sendable {
    case null
    /// A pipe: see `Child.write` and `Child.closeInput`.
    case pipe
}

/// A running or ended program. Not to be shared between threads.
public final class Child {
    public let name: String
    public let pid: pid_t
    private let pidDescriptor: FileDescriptor
    private let outputFile: FileDescriptor
    private let errorFile: FileDescriptor
    private var inputPipe: CInt
    private var ended: ExitStatus?

    /// Starts `arguments[0]` (an absolute path) with `environment` on top of this process's.
    public init(
        _ arguments: [String], input: ChildInput = .null, environment: [String: String] = [:]
    ) throws {
        name = arguments.joined(separator: " ")
        outputFile = try Self.file("stdout")
        errorFile = try Self.file("stderr")
        let start = SpawnRequest(
            arguments: arguments, input: input,
            output: outputFile.raw, errors: errorFile.raw, environment: environment)
        (pid, inputPipe) = try SpawnThread.shared.spawn(start)
        pidDescriptor = FileDescriptor(owning: try check(ne_pidfd_open(pid), "pidfd_open"))
    }

    deinit { end() }

    /// Whoever writes appends: threads that write at the same moment would write over each other in a memfd, whose
    /// offset the kernel does not guard.
    private static func file(_ name: String) throws -> FileDescriptor {
        let descriptor = FileDescriptor(owning: try check(ne_memfd_create(name), "memfd_create"))
        _ = try check(fcntl(descriptor.raw, F_SETFL, O_APPEND), "fcntl(F_SETFL)")
        return descriptor
    }

    /// Everything written to standard output so far.
    public var output: String { contents(outputFile.raw) }
    /// Everything written to standard error so far.
    public var errors: String { contents(errorFile.raw) }

    /// nil while it runs.
    public var status: ExitStatus? {
        if ended == nil { reap(flags: WNOHANG) }
        return ended
    }

    /// Waits until the program has ended by itself.
    /// - Throws: when `seconds` have passed; the program is ended then.
    @discardableResult
    public func wait(seconds: Double = 20) throws -> ExitStatus {
        var entry = pollfd(fd: pidDescriptor.raw, events: Int16(POLLIN), revents: 0)
        if ended == nil, poll(&entry, 1, Int32(seconds * 1000)) == 0 {
            end()
            throw TestFailure(description: "\(name) did not end within \(seconds) s\n\(transcript)")
        }
        if ended == nil { reap(flags: 0) }
        return ended ?? .exited(-1)
    }

    /// Waits until `text` stands in standard output or standard error; returns all output and errors.
    @discardableResult
    public func wait(for text: String, seconds: Double = 20) throws -> String {
        let deadline = ne_monotonic_ns() + UInt64(seconds * 1e9)
        while true {
            let isOver = status != nil
            let all = output + errors
            if all.contains(text) { return all }
            guard !isOver, ne_monotonic_ns() < deadline else { break }
            usleep(2000)
        }
        let state = ended.map { "ended: \($0)" } ?? "still running after \(seconds) s"
        throw TestFailure(description: "\(name): no \"\(text)\" (\(state))\n\(transcript)")
    }

    /// Writes to the child's standard input (`input: .pipe`).
    public func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty, inputPipe >= 0 {
            let count = rest.withUnsafeBytes { Glibc.write(inputPipe, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    public func closeInput() {
        if inputPipe >= 0 { close(inputPipe) }
        inputPipe = -1
    }

    /// Sends a signal while it runs.
    public func signal(_ number: Int32) {
        if status == nil { kill(pid, number) }
    }

    /// Ends the program with SIGKILL, if it still runs, and collects it.
    public func end() {
        if ended == nil {
            kill(pid, SIGKILL)
            reap(flags: 0)
        }
        closeInput()
    }

    /// Both outputs, for a failure's text.
    public var transcript: String { "--- stdout\n\(output)\n--- stderr\n\(errors)\n---" }

    private func reap(flags: Int32) {
        var raw: Int32 = 0
        var result: pid_t
        repeat { result = waitpid(pid, &raw, flags) } while result < 0 && errno == EINTR
        if result == pid { ended = ExitStatus(waitStatus: raw) }
        if result < 0 { ended = .exited(-1) }
    }

    private func contents(_ fd: CInt) -> String {
        var info = stat()
        guard fstat(fd, &info) == 0, info.st_size > 0 else { return "" }
        var bytes = [UInt8](repeating: 0, count: Int(info.st_size))
        let count = pread(fd, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
