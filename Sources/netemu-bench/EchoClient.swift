// `netemu-bench echo-client ADDRESS PORT COUNT`: the same conversation with a kernel socket, for the namespace that
// pasta makes. Prints each round trip in microseconds.

import Glibc
import TestSupport

enum EchoClient {
    static func run(_ arguments: ArraySlice<String>) -> Int32 {
        let words = Array(arguments)
        guard words.count == 3, let port = UInt16(words[1]), let count = Int(words[2]) else {
            Bench.complain("usage: netemu-bench echo-client ADDRESS PORT COUNT")
            return 2
        }
        let fd = connect(words[0], port)
        guard fd >= 0, let times = roundTrips(fd, count) else {
            Bench.complain("netemu-bench: echo-client: \(String(cString: strerror(errno)))")
            return 1
        }
        close(fd)
        Bench.say(times.map { String($0) }.joined(separator: "\n"))
        return 0
    }

    private static func connect(_ address: String, _ port: UInt16) -> CInt {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var on: CInt = 1
        setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
        var remote = sockaddr_in()
        remote.sin_family = sa_family_t(AF_INET)
        remote.sin_port = port.bigEndian
        guard inet_pton(AF_INET, address, &remote.sin_addr) == 1 else { return -1 }
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &remote) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(fd, $0, size) }
        }
        return result == 0 ? fd : -1
    }

    /// Microseconds each; nil with errno when the peer went.
    private static func roundTrips(_ fd: CInt, _ count: Int) -> [Double]? {
        var times: [Double] = []
        var byte: UInt8 = 0
        for round in 0..<count {
            let start = monotonic()
            byte = UInt8(truncatingIfNeeded: round)
            guard send(fd, &byte, 1, Int32(MSG_NOSIGNAL)) == 1, recv(fd, &byte, 1, 0) == 1 else { return nil }
            times.append(Double(monotonic() - start) / 1000)
        }
        return times
    }
}
