// stdout and stderr of the program, written without buffering so that words keep their order.

import Glibc
import Linux
import Synchronization

/// What stands in front of a message.
struct MessageStyle: Equatable, Sendable {
    var hasTime = false
    var guestName: String?

    static let current = Mutex(MessageStyle())

    /// `2026-01-02T03:04:05.678901Z NAME `, as far as asked for; UTC.
    func prefix(at time: timespec) -> String {
        let name = guestName.map { "\($0) " } ?? ""
        guard hasTime else { return name }
        var (seconds, parts) = (time.tv_sec, tm())
        gmtime_r(&seconds, &parts)
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        let date = [(Int(parts.tm_year) + 1900, 4), (Int(parts.tm_mon) + 1, 2), (Int(parts.tm_mday), 2)].map(digits)
        let clock = [Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec)].map { digits($0, 2) }
        return date.joined(separator: "-") + "T" + clock.joined(separator: ":")
            + ".\(digits(Int(time.tv_nsec) / 1000, 6))Z " + name
    }
}

/// One of the two output streams.
struct StandardStream {
    let descriptor: CInt
    static let output = StandardStream(descriptor: 1)
    static let error = StandardStream(descriptor: 2)

    /// What is behind standard input.
    enum Input { case terminal, null, other }

    /// As it was at the start.
    static let input: Input = {
        if isatty(0) == 1 { return .terminal }
        var (own, null) = (stat(), stat())
        guard fstat(0, &own) == 0, stat("/dev/null", &null) == 0 else { return .null }
        return own.st_mode & S_IFMT == S_IFCHR && own.st_rdev == null.st_rdev ? .null : .other
    }()

    /// A pipe or a file at standard input has bytes that nobody has read.
    static var hasWaitingInput: Bool {
        var own = stat()
        if fstat(0, &own) == 0, own.st_mode & S_IFMT == S_IFREG { return lseek(0, 0, SEEK_CUR) < own.st_size }
        var waiting = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        return poll(&waiting, 1, 0) > 0 && waiting.revents & Int16(POLLIN) != 0
    }

    /// Writes all of `text`; gives up when the stream is gone (EPIPE and the like): false, errno says why.
    @discardableResult
    func write(_ text: String) -> Bool {
        descriptor == 2 ? writeMessage(text.systemBytes) : write(text.systemBytes)
    }

    /// What is said on standard error is lost when its reader takes nothing for a second, and at once until it takes
    /// something again: nobody who stops reading stops netemu. So is what a full disk does not take. When it goes on, how
    /// much was lost is told first; where a log stands in for another stream, that one gets what the log does not take.
    private func writeMessage(_ bytes: [UInt8]) -> Bool {
        let bytes = Self.isShowing.exchange(false, ordering: .relaxed) ? Self.erase + bytes : bytes
        let lost = Self.lost.withLock { $0 }
        guard hasRoom(milliseconds: lost.isLate ? 0 : 1000) else {
            Self.lost.withLock { $0.add(EAGAIN) }
            return false
        }
        guard write(lost.account + bytes) else {
            let code = errno
            if let log = lost.log { Self.sayElsewhere(bytes, log, code, isFirst: lost.count == 0) }
            Self.lost.withLock { $0.add(code) }
            return false
        }
        Self.lost.withLock { $0.clear() }
        return true
    }

    /// A line that goes again is on the terminal.
    private static let isShowing = Atomic(false)
    /// To the line's beginning, and nothing behind it (ECMA-48, EL).
    private static let erase = Array("\r\u{1b}[K".utf8)

    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Shows `line` in the place of the one shown before; nil takes that away. A terminal that takes nothing misses it.
    func show(_ line: String?) {
        guard hasRoom(milliseconds: 0) else { return }
        let wasOn = Self.isShowing.exchange(false, ordering: .relaxed)
        guard let line else {
            if wasOn { write(Self.erase) }
            return
        }
        if write(Self.erase + Array(line.utf8)) { Self.isShowing.store(true, ordering: .relaxed) }
    }

    private static func sayElsewhere(_ bytes: [UInt8], _ log: Log, _ code: CInt, isFirst: Bool) {
        let former = StandardStream(descriptor: log.former)
        let reason = String(cString: strerror(code))
        if isFirst { former.tell("netemu: warning: cannot write to the log \(log.path): \(reason)\n") }
        former.write(bytes)
    }

    /// A log in the place of standard error.
    private struct Log {
        let path: String
        /// What standard error was.
        let former: CInt
    }

    /// Messages that standard error did not take.
    private struct Lost {
        private(set) var count = 0
        private var code: CInt = 0
        var log: Log?

        /// Its reader took nothing last time.
        var isLate: Bool { count > 0 && code == EAGAIN }

        mutating func add(_ code: CInt) {
            count += 1
            self.code = code
        }

        mutating func clear() { count = 0 }

        /// A line of its own, also behind half a one.
        var account: [UInt8] {
            guard count > 0 else { return [] }
            guard code != EAGAIN else {
                return Array("netemu: \(count) messages were not read in time and are lost\n".utf8)
            }
            let what = count == 1 ? "a message" : "\(count) messages"
            return Array("\nnetemu: \(what) could not be written here (\(String(cString: strerror(code))))\n".utf8)
        }
    }
    private static let lost = Mutex(Lost())

    /// A log takes the place of standard error, which stays open for what the log cannot take.
    /// - Parameter keepsFormer: false in a daemon, which has no other stream.
    static func sendErrors(to log: CInt, called path: String, keepsFormer: Bool) {
        let former = keepsFormer ? fcntl(2, F_DUPFD_CLOEXEC, 3) : -1
        dup2(log, 2)
        if former >= 0 { lost.withLock { $0.log = Log(path: path, former: former) } }
    }

    /// A pipe that has room takes PIPE_BUF bytes at once.
    private func hasRoom(milliseconds: CInt) -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        var result = poll(&waiting, 1, milliseconds)
        while result < 0, errno == EINTR { result = poll(&waiting, 1, milliseconds) }
        return result > 0
    }

    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&waiting, 1, 1000) > 0 else { return false }
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    func warn(_ text: String) { say("warning: \(text)") }
    func say(_ text: String) { tell("netemu: \(text)\n") }

    /// Whole lines; netemu's own are told in the style that was asked for.
    func tell(_ message: String) {
        guard message.hasPrefix("netemu: ") else {
            write(message)
            return
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        write(MessageStyle.current.withLock { $0.prefix(at: now) } + message)
    }
}
