// Finding the server: a socket that is there, one that will be, or a directory in which one appears.

import Glibc
import Linux

/// How long a search may last: a number of steps of so many milliseconds that were waited, so that no clock is needed.
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
    /// Steps between two looks at a path, at most.
    private static let longestPause = 10
    /// Steps between two looks whether the path still leads to the directory that is watched.
    private static let lookPause = 100
    /// A daemon waits for ever where nothing else was asked.
    let isDaemon: Bool

    private enum Kind {
        case absent(CInt)
        case socket, directory, other
    }

    func find() throws(SearchFailure) -> FileDescriptor {
        var left = patience.steps ?? (isDaemon ? Int.max : 0)
        var pauseSteps = 1
        while true {
            switch kind() {
            case .directory:
                // At a directory it is waited for ever where nothing else was asked, also at one that has to come again.
                left = patience.steps == nil ? .max : left
                if let socket = try findInDirectory(&left) { return socket }
                pauseSteps = 1
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
            pause(milliseconds: min(pauseSteps, left) * Patience.step)
            left -= min(pauseSteps, left)
            pauseSteps = min(pauseSteps * 2, Self.longestPause)
        }
    }

    private func kind() -> Kind {
        var status = stat()
        guard stat(path.systemPath, &status) == 0 else { return .absent(errno) }
        switch status.st_mode & S_IFMT {
        case S_IFSOCK: return .socket
        case S_IFDIR: return .directory
        default: return .other
        }
    }

    /// Takes the first name ending in `.repair` that answers. A name that refuses may be a dead server's, or one
    /// that is bound and does not listen yet: it is asked again, ever more rarely. Nil when the directory is gone.
    /// - Parameter left: steps that may still be waited.
    private func findInDirectory(_ left: inout Int) throws(SearchFailure) -> FileDescriptor? {
        do throws(SystemError) {
            let watch = try DirectoryWatch(path)
            var schedule = RetrySchedule()
            for name in try candidates(watch.names()) { schedule.appeared(name, at: 0) }
            var now = 0
            while true {
                if let socket = ask(&schedule, now) { return socket }
                guard left > 0 else { break }
                let pause = min(schedule.next.map { max(1, $0 - now) } ?? Self.lookPause, left, Self.lookPause)
                let arrival = try watch.wait(milliseconds: pause * Patience.step)
                now += arrival == nil ? pause : 1
                left -= arrival == nil ? pause : 1
                guard arrival != .gone, arrival != nil || watch.isInPlace else { return nil }
                for name in try candidates(names(of: arrival, watch)) { schedule.appeared(name, at: now) }
            }
        } catch {
            // It went between two steps.
            if error.code == ENOENT || error.code == ENOTDIR { return nil }
            throw SearchFailure(text: "\(error)")
        }
        throw SearchFailure(text: "no name ending in .repair in \(path) is a socket that answers")
    }

    private func names(of arrival: DirectoryWatch.Arrival?, _ watch: borrowing DirectoryWatch) throws(SystemError)
        -> [String]
    {
        switch arrival {
        case .names(let names): names
        case .lost: try watch.names()
        case .gone, nil: []
        }
    }

    private func candidates(_ names: [String]) -> [String] { names.filter { $0.hasSuffix(".repair") }.sorted() }

    /// Asks every name that is due.
    private func ask(_ schedule: inout RetrySchedule, _ now: Int) -> FileDescriptor? {
        for name in schedule.take(at: now) {
            do throws(SystemError) { return try UnixSocket.connect(to: path + "/" + name) } catch {
                if error.code == ENOENT { schedule.forget(name) } else { schedule.failed(name, at: now) }
            }
        }
        return nil
    }
}

/// Sleeps with poll(2), which the sandbox knows.
func pause(milliseconds: Int) { _ = try? waitReadable(-1, milliseconds: milliseconds) }
