// `netemu-bench move-peer PORT`: who talks to a guest while it moves, on the host's side of its passt. One byte goes to the
// guest's echo every millisecond, when the one before has come back; the longest time between two that came back is the
// gap. Told what to do by lines on standard input, each answered by one that begins as it does:
//
//   connect N     N connections to PORT of 127.0.0.1, the first of which has the echo; each has been heard once
//   reset TAG     the gap is counted anew
//   gap TAG       … MICROSECONDS ECHOES
//   alive TAG     … how many connections still give back a byte
//
// Whoever connects to the port behind PORT gets bytes without end, never the same block twice.

import Glibc
import TestSupport

final class MovePeer {
    private let port: UInt16
    private var connections: [CInt] = []
    /// Those who want bytes without end, and who else does.
    private var readers: [CInt] = []
    private let listener: CInt
    private var typed: [UInt8] = []
    private var sentAt: UInt64?
    private var due: UInt64 = 0
    private var lastEcho: UInt64?
    private var gap: UInt64 = 0
    private var echoes = 0
    private var block = [UInt64](repeating: 0, count: 1 << 15)
    private static let pulse: UInt64 = 1_000_000

    static func run(_ arguments: ArraySlice<String>) -> Int32 {
        guard arguments.count == 1, let port = arguments.first.flatMap({ UInt16($0) }), port < 65535,
            let peer = MovePeer(port)
        else {
            Bench.complain("usage: netemu-bench move-peer PORT")
            return 2
        }
        signal(SIGPIPE, SIG_IGN)
        peer.serve()
        return 0
    }

    private init?(_ port: UInt16) {
        self.port = port
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let isBound = Self.withAddress(port + 1, loopback: false) { bind(listener, $0, $1) } == 0
        guard isBound, listen(listener, 16) == 0 else { return nil }
    }

    private static func withAddress<R>(
        _ port: UInt16, loopback: Bool, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) -> R {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        if loopback { address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    // MARK: the loop

    private func serve() {
        while true {
            var entries = [0, listener].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            let pulse = connections.first ?? -1
            entries.append(pollfd(fd: pulse, events: Int16(POLLIN), revents: 0))
            entries += readers.map { pollfd(fd: $0, events: Int16(POLLOUT), revents: 0) }
            wait(&entries)
            if entries[2].revents != 0 { heard(pulse) }
            beat(pulse)
            if entries[1].revents != 0 { admit() }
            for entry in entries[3...] where entry.revents != 0 { feed(entry.fd) }
            if entries[0].revents != 0, !readCommands() { return }
        }
    }

    private func wait(_ entries: inout [pollfd]) {
        let now = monotonic()
        let isBeating = !connections.isEmpty && sentAt == nil
        let rest = due > now ? Int32(min(due - now, Self.pulse) + 999_999) / 1_000_000 : 0
        poll(&entries, nfds_t(entries.count), isBeating ? rest : 3_600_000)
    }

    private func beat(_ pulse: CInt) {
        let now = monotonic()
        guard pulse >= 0, sentAt == nil, now >= due else { return }
        var byte: UInt8 = 1
        if send(pulse, &byte, 1, 0) == 1 { sentAt = now }
        due = now + Self.pulse
    }

    private func heard(_ pulse: CInt) {
        var byte: UInt8 = 0
        guard recv(pulse, &byte, 1, 0) == 1 else {
            Bench.say("lost: the connection of the echo has ended")
            exit(1)
        }
        let now = monotonic()
        if let lastEcho { gap = max(gap, now - lastEcho) }
        (lastEcho, sentAt) = (now, nil)
        echoes += 1
    }

    private func admit() {
        let fd = accept(listener, nil, nil)
        guard fd >= 0 else { return }
        _ = fcntl(fd, F_SETFL, O_NONBLOCK)
        readers.append(fd)
    }

    private func feed(_ reader: CInt) {
        // A word for each cache line is enough for every page to be another one.
        for at in stride(from: 0, to: block.count, by: 8) { block[at] &+= 0x9e37_79b9_7f4a_7c15 }
        let count = block.withUnsafeBytes { send(reader, $0.baseAddress, $0.count, 0) }
        guard count < 0, errno != EAGAIN else { return }
        close(reader)
        readers.removeAll { $0 == reader }
    }

    // MARK: commands

    /// False at the end of input.
    private func readCommands() -> Bool {
        var room = [UInt8](repeating: 0, count: 4096)
        let count = read(0, &room, room.count)
        guard count > 0 else { return false }
        typed += room[..<count]
        while let end = typed.firstIndex(of: 10) {
            carryOut(String(decoding: typed[..<end], as: UTF8.self))
            typed.removeFirst(end + 1)
        }
        return true
    }

    private func carryOut(_ line: String) {
        let words = line.split(separator: " ")
        switch words.first {
        case "connect": connect(words.count > 1 ? Int(words[1]) ?? 1 : 1)
        case "reset": (gap, echoes, lastEcho) = (0, 0, nil)
        case "gap":
            if let lastEcho { gap = max(gap, monotonic() - lastEcho) }
            return Bench.say("\(line) \(gap / 1000) \(echoes)")
        case "alive": return Bench.say("\(line) \(alive())")
        default: break
        }
        Bench.say("\(line) done")
    }

    /// passt takes a connection before the guest does: one counts when the guest has given a byte back.
    private func connect(_ count: Int) {
        while connections.count < count {
            let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var on: CInt = 1
            setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
            let isOpen = Self.withAddress(port, loopback: true) { Glibc.connect(fd, $0, $1) } == 0
            if isOpen, isEchoed(fd, within: 1000) {
                connections.append(fd)
            } else {
                close(fd)
                pause(milliseconds: 50)
            }
        }
        due = monotonic()
    }

    private func isEchoed(_ fd: CInt, within milliseconds: Int32) -> Bool {
        var byte: UInt8 = 2
        var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        return send(fd, &byte, 1, 0) == 1 && poll(&entry, 1, milliseconds) == 1 && recv(fd, &byte, 1, 0) == 1
    }

    private func alive() -> Int {
        // What is under way on the first one is its pulse.
        let rest = connections.dropFirst().count { isEchoed($0, within: 2000) }
        return rest + (echoes > 0 && lastEcho.map { monotonic() - $0 < 5_000_000_000 } == true ? 1 : 0)
    }
}
