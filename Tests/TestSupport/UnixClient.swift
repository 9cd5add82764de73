// The other end of a program's unix socket (a console, a monitor): write lines, wait for text, with deadlines.

import CLinux
import Glibc
import Linux

/// A connected stream socket whose received bytes are collected.
public final class UnixClient {
    private let descriptor: FileDescriptor
    private var collected: [UInt8] = []

    /// Connects as soon as someone listens at `path` (at most 107 bytes), within `seconds`.
    public init(path: String, seconds: Double = 20) throws {
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        descriptor = FileDescriptor(owning: try check(fd, "socket"))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let deadline = ne_monotonic_ns() + UInt64(seconds * 1e9)
        while true {
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result == 0 { return }
            guard ne_monotonic_ns() < deadline else {
                throw TestFailure(description: "connect \(path): \(String(cString: strerror(errno)))")
            }
            usleep(5000)
        }
    }

    /// Connects to a TCP port of 127.0.0.1 as soon as someone listens there, within `seconds`.
    public init(port: UInt16, seconds: Double = 20) throws {
        let deadline = ne_monotonic_ns() + UInt64(seconds * 1e9)
        let address = InternetSocketAddress("127.0.0.1", port: port)
        while true {
            let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let made = FileDescriptor(owning: try check(fd, "socket"))
            if address?.withSockAddr({ connect(fd, $0, $1) }) == 0 {
                descriptor = made
                return
            }
            guard ne_monotonic_ns() < deadline else { throw TestFailure(description: "connect to port \(port)") }
            usleep(5000)
        }
    }

    /// Everything received so far.
    public var text: String { String(decoding: collected, as: UTF8.self) }

    public func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { send(descriptor.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Types no more; what is answered is still read.
    public func finishWriting() { _ = shutdown(descriptor.raw, Int32(SHUT_WR)) }

    /// Everything that comes until the other end closes.
    public func readToEnd(seconds: Double = 20) throws -> String {
        let start = collected.count
        let deadline = ne_monotonic_ns() + UInt64(seconds * 1e9)
        while receive(milliseconds: 20) {
            guard ne_monotonic_ns() < deadline else {
                throw TestFailure(description: "no end of file within \(seconds) s; \(collected.count - start) bytes")
            }
        }
        return String(decoding: collected[start...], as: UTF8.self)
    }

    /// Sends a line and returns what comes until `end` stands behind it.
    public func ask(_ line: String, until end: String, seconds: Double = 20) throws -> String {
        let start = collected.count
        write(line + "\n")
        return try receive(from: start, seconds, "\"\(line)\": no \"\(end)\"") { $0.contains(end) }
    }

    /// Sends a line and returns what comes until a line with `start` has come whole.
    public func ask(_ line: String, untilLine start: String, seconds: Double = 20) throws -> String {
        let first = collected.count
        write(line + "\n")
        return try receive(from: first, seconds, "\"\(line)\": no line with \"\(start)\"") { $0.hasLine(with: start) }
    }

    /// What came so far, as soon as `text` is in it.
    public func wait(for text: String, seconds: Double = 20) throws -> String {
        try receive(from: 0, seconds, "no \"\(text)\"") { $0.contains(text) }
    }

    /// What came so far, as soon as a line with `start` has come whole.
    public func wait(forLine start: String, seconds: Double = 20) throws -> String {
        try receive(from: 0, seconds, "no line with \"\(start)\"") { $0.hasLine(with: start) }
    }

    /// What came from `start` on, as soon as it is enough.
    private func receive(
        from start: Int, _ seconds: Double, _ failure: String, until isEnough: (String) -> Bool
    ) throws -> String {
        let deadline = ne_monotonic_ns() + UInt64(seconds * 1e9)
        while true {
            let text = String(decoding: collected[start...], as: UTF8.self)
            if isEnough(text) { return text }
            guard ne_monotonic_ns() < deadline, receive(milliseconds: 20) else {
                throw TestFailure(description: "\(failure) within \(seconds) s\n\(text)")
            }
        }
    }

    /// Reads what is there; false at the end of the stream.
    private func receive(milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, milliseconds) > 0 else { return true }
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = read(descriptor.raw, &chunk, chunk.count)
        // A terminal ends its lines with CR LF, which Swift takes for one character.
        collected += chunk[..<max(0, count)].filter { $0 != 13 }
        return count > 0
    }
}

extension String {
    /// `start` is in it, and the end of its line.
    fileprivate func hasLine(with start: String) -> Bool {
        guard let found = firstRange(of: start) else { return false }
        return self[found.upperBound...].contains("\n")
    }
}
