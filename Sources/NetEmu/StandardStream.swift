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

    /// Writes all of `text`; gives up when the stream is gone (EPIPE and the like): false, errno says why. What is said
    /// on standard error is lost when its reader takes nothing for a second, and at once until it takes something again:
    /// nobody who stops reading stops netemu.
    @discardableResult
    func write(_ text: String) -> Bool {
        let bytes = text.systemBytes
        guard descriptor == 2 else { return write(bytes) }
        let lost = Self.lost.load(ordering: .relaxed)
        guard hasRoom(milliseconds: lost > 0 ? 0 : 1000) else {
            Self.lost.store(lost + 1, ordering: .relaxed)
            return false
        }
        Self.lost.store(0, ordering: .relaxed)
        if lost > 0 { write(Array("netemu: \(lost) messages were not read in time and are lost\n".utf8)) }
        return write(bytes)
    }

    /// Messages that standard error did not take.
    private static let lost = Atomic<Int>(0)

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
