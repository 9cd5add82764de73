// The file of `script=`: a regular one, or a pipe, a FIFO, a terminal, `/dev/stdin`, whose writer may take his time.
// It is read as it comes, to its end, and nothing waits for it.

import Glibc
import Linux

/// A script that is being read, once.
final class ScriptFile {
    private static let limit = 1 << 20

    private let path: String
    private let reactor: Reactor
    private var file: SharedDescriptor?
    private var input: InputPort?
    private var bytes: [UInt8] = []
    private var result: Result<String, SystemError>?
    private var done: ((Result<String, SystemError>) -> Void)?

    init(_ path: String, on reactor: Reactor) {
        self.path = path
        self.reactor = reactor
    }

    /// Reads to the end, or to what went wrong; a second call gets what the first one got.
    func read(_ done: @escaping (Result<String, SystemError>) -> Void) {
        if let result { return done(result) }
        self.done = done
        guard input == nil else { return }
        do throws(SystemError) {
            let file = SharedDescriptor(try open())
            self.file = file
            let input = InputPort(
                file.raw, on: reactor, onBytes: { [weak self] in self?.received($0) },
                onEnd: { [weak self] in self?.ended($0) })
            self.input = input
            input.start()
        } catch { finish(.failure(error)) }
    }

    /// The descriptor that `path` names, as `/dev/stdin` and a shell's `<(…)` do.
    private var inherited: CInt? {
        if path == "/dev/stdin" { return 0 }
        let folder = ["/dev/fd/", "/proc/self/fd/"].first { path.hasPrefix($0) }
        return folder.flatMap { CInt(path.dropFirst($0.utf8.count)) }
    }

    /// An open descriptor is what it is: to open its name again fails for a socket and in the sandbox, and goes back to
    /// the start of a file.
    private func open() throws(SystemError) -> FileDescriptor {
        let raw =
            inherited.map { fcntl($0, F_DUPFD_CLOEXEC, 3) }
            ?? Glibc.open(path.systemPath, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard raw >= 0 else { throw SystemError(call: "open", code: errno, subject: path) }
        var status = stat()
        if fstat(raw, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            close(raw)
            throw SystemError(call: "read", code: EISDIR, subject: path)
        }
        return FileDescriptor(owning: raw)
    }

    private func received(_ more: [UInt8]) {
        bytes += more
        if bytes.count > Self.limit { finish(.failure(SystemError(call: "read", code: EFBIG, subject: path))) }
    }

    /// Half a script is none.
    private func ended(_ error: SystemError?) {
        let failure = error.map { SystemError(call: $0.call, code: $0.code, subject: path) }
        finish(failure.map { .failure($0) } ?? .success(String(systemBytes: bytes)))
    }

    private func finish(_ result: Result<String, SystemError>) {
        guard self.result == nil else { return }
        self.result = result
        input?.close()
        (input, file, bytes) = (nil, nil, [])
        done?(result)
        done = nil
    }
}
