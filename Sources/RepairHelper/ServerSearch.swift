// Finding the server: a socket that is there, one that will be, or a directory in which one appears.

import Glibc
import Linux

/// How long a search may last: a number of tries `Patience.step` apart, so that no clock is needed.
struct Patience {
    static let step = 20
    /// Nil: the caller's default.
    let steps: Int?

    init(seconds: Int?) { steps = seconds.map { $0 * 1000 / Self.step } }
}

/// A search that ended without a server.
struct SearchFailure: Error, Equatable {
    let text: String
    /// The path can never be right: exit status 2, as passt-repair.
    var isMisuse = false
}

/// Looks for a server at a path.
struct ServerSearch {
    let path: String
    let patience: Patience
    /// A daemon waits for ever where nothing else was asked.
    let isDaemon: Bool

    private enum Kind {
        case absent(CInt)
        case socket, directory, other
    }

    func find() throws(SearchFailure) -> FileDescriptor {
        var left = patience.steps ?? (isDaemon ? Int.max : 0)
        while true {
            switch kind() {
            case .directory: return try findInDirectory()
            case .other: throw SearchFailure(text: "\(path) is not a socket, nor a directory", isMisuse: true)
            case .absent(let code):
                guard left > 0 else { throw SearchFailure(text: "Can't stat() \(path): \(errnoText(code))") }
            case .socket:
                do { return try UnixSocket.connect(to: path) } catch {
                    guard left > 0, error.code == ECONNREFUSED || error.code == EAGAIN || error.code == ENOENT else {
                        throw SearchFailure(text: "Failed to connect to \(path): \(error.reason)")
                    }
                }
            }
            left -= 1
            pause(milliseconds: Patience.step)
        }
    }

    private func kind() -> Kind {
        var status = stat()
        guard stat(path, &status) == 0 else { return .absent(errno) }
        switch status.st_mode & S_IFMT {
        case S_IFSOCK: return .socket
        case S_IFDIR: return .directory
        default: return .other
        }
    }

    /// Takes the first name ending in `.repair` that answers. A name that refuses may be a dead server's, or one
    /// that is bound and does not listen yet: it is asked again.
    private func findInDirectory() throws(SearchFailure) -> FileDescriptor {
        do {
            let watch = try DirectoryWatch(path)
            var left = patience.steps ?? Int.max
            while true {
                for name in try watch.names().sorted() where name.hasSuffix(".repair") {
                    if let socket = try? UnixSocket.connect(to: name, in: watch.directory.raw) { return socket }
                }
                guard left > 0 else {
                    throw SearchFailure(text: "no name ending in .repair in \(path) is a socket that answers")
                }
                left -= 1
                try watch.wait(milliseconds: Patience.step)
            }
        } catch let error as SearchFailure {
            throw error
        } catch {
            throw SearchFailure(text: "\(error)")
        }
    }
}

/// Sleeps with poll(2), which the sandbox knows.
func pause(milliseconds: Int) { _ = try? waitReadable(-1, milliseconds: milliseconds) }
