// What the kernel counts in a network namespace, and what it says of its TCP sockets.

import Glibc

extension Namespace {
    /// A counter of TCP (RFC 4022) by its name in /proc/net/snmp: `OutRsts`, `EstabResets`; -1 when there is none.
    public func tcpCounter(_ name: String) -> Int {
        let lines = (textOfFile("/proc/\(holderPID)/net/snmp") ?? "").split(separator: "\n")
            .filter { $0.hasPrefix("Tcp:") }.map { $0.split(separator: " ") }
        guard lines.count == 2, let column = lines[0].firstIndex(of: Substring(name)) else { return -1 }
        return Int(lines[1][column]) ?? -1
    }

    /// Resets so far.
    public var resets: TCPResets { TCPResets(sent: tcpCounter("OutRsts"), met: tcpCounter("EstabResets")) }

    /// TCP sockets as ss(8) finds them with `filter` ("( dport = :9001 )"), a line of numbers each.
    public func sockets(_ filter: String) throws -> [SocketLine] {
        let (_, child) = try run(["ss", "-tniHO", "state", "connected", filter])
        defer { end(child) }
        return child.output.split(separator: "\n").map { SocketLine($0) }
    }
}

/// Resets of a network namespace's TCP.
public struct TCPResets: Equatable, Sendable {
    /// Segments with RST that its sockets have sent.
    public let sent: Int
    /// Connections that stood and were reset, from either end, or that a repair helper let go.
    public let met: Int
}

/// A socket in a line of ss.
public struct SocketLine {
    /// As ss has them: `ESTAB`, `FIN-WAIT-2`, `CLOSE-WAIT`.
    public let state: String
    private let words: [Substring]

    init(_ line: Substring) {
        words = line.split(separator: " ")
        state = words.first.map(String.init) ?? ""
    }

    /// Bytes that wait to be read.
    public var unread: Int { words.count > 1 ? Int(words[1]) ?? 0 : 0 }
    /// A number of TCP_INFO; 0 when it is not shown, as ss does with zeros.
    public func number(_ name: String) -> Int {
        words.first { $0.hasPrefix(name + ":") }.flatMap { Int($0.dropFirst(name.utf8.count + 1)) } ?? 0
    }

    /// Something has gone from end to end, so that the connection stands on both sides of whoever owns this socket and
    /// hands on what comes: the owner has sent, or has read.
    public var hasCarried: Bool { number("bytes_sent") > 0 || number("bytes_received") > unread }
}
