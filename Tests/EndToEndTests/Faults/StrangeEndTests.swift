// A move to or from somebody who is no netemu, or none of this version, or not there: one clear line, the guest goes on
// where it is, a destination ends with status 1, and no memory is asked for on a stranger's word.

import Glibc
import Linux
import TestSupport
import Testing

/// What somebody says instead of a stream.
struct StrangeWords: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let says: String
    var testDescription: String { name }

    private static let magic = Array("NETEMU\r\n".utf8)
    private static func preamble(_ role: UInt8, version: UInt8 = 1) -> [UInt8] { magic + [0, version, 0, role] }
    /// A frame of one GiB.
    private static func header(_ kind: UInt8) -> [UInt8] { [kind, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0] }

    /// - Parameters:
    ///   - role: of who should speak: 1 a source, 2 a destination.
    ///   - kind: of his greeting.
    private static func table(role: UInt8, kind: UInt8) -> [StrangeWords] {
        [
            StrangeWords(name: "a web browser", bytes: Array("GET / HTTP/1.1\r\n\r\n".utf8), says: "channel magic"),
            StrangeWords(name: "QEMU", bytes: Array("QEVM\0\0\0\u{3}".utf8), says: "unknown channel magic: 1363498573"),
            StrangeWords(
                name: "another version", bytes: preamble(role, version: 2),
                says: "the stream has version 2; this program reads version 1"),
            StrangeWords(name: "an end of the same kind", bytes: preamble(3 - role), says: "of the same kind"),
            StrangeWords(
                name: "a greeting of one GiB",
                bytes: preamble(role) + header(kind) + [UInt8](repeating: 7, count: 9000),
                says: "a frame of kind \(kind) has 1073741824 bytes"),
            StrangeWords(
                name: "a frame of no kind", bytes: preamble(role) + header(99), says: "no frame is of kind 99"),
            StrangeWords(name: "nothing, and closes", bytes: [], says: "closed the connection"),
        ]
    }

    static let ofSources = table(role: 1, kind: 1)
    static let ofDestinations = table(role: 2, kind: 129)
}

@Suite("a move to or from a stranger")
struct StrangeEndTests {
    private func say(_ bytes: [UInt8], to socket: borrowing FileDescriptor) {
        var left = bytes[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes { send(socket.raw, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            left = left.dropFirst(count)
        }
    }

    /// Somebody may ask it, so that it does not remark on that.
    private func quiet(_ ground: Ground) -> [String] {
        ["-nic", "none", "-monitor", "unix:\(ground.directory.path)/q,server=on,wait=off"]
    }

    /// netemu's own lines, without warnings.
    private func lines(_ child: Child) -> [Substring] {
        child.errors.split(separator: "\n").filter { $0.hasPrefix("netemu: ") && !$0.contains("warning:") }
    }

    private func connection(to path: String) -> SharedDescriptor? {
        do { return SharedDescriptor(try UnixSocket.connect(to: path)) } catch { return nil }
    }

    @Test("a destination says one line, loads nothing and ends with 1", arguments: StrangeWords.ofSources)
    func destination(row: StrangeWords) throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/m"
            let netemu = try ground.startInLittleSpace(quiet(ground) + ["-incoming", "unix:\(path)"])
            var made: SharedDescriptor?
            // Its name is there a moment before it listens.
            _ = eventually {
                made = connection(to: path)
                return made != nil
            }
            let socket = try #require(made, "\(netemu.transcript)")
            say(row.bytes, to: socket.descriptor)
            if row.bytes.isEmpty { shutdown(socket.raw, CInt(SHUT_RDWR)) }
            #expect(try netemu.wait(seconds: 20) == .exited(1), "\(netemu.transcript)")
            #expect(lines(netemu).count == 1 && netemu.errors.contains(row.says), "\(netemu.transcript)")
            #expect(access(path, F_OK) != 0 && ground.leftovers == [])
        }
    }

    /// Listens, takes one connection, says `bytes`, and then nothing.
    private func withStranger(_ bytes: [UInt8], _ body: (Ground, Session, String) throws -> Void) throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/m"
            let listener = SharedDescriptor(try UnixSocket.listen(at: path))
            onThread {
                var entry = pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)
                guard poll(&entry, 1, 30_000) > 0 else { return }
                let socket = FileDescriptor(owning: accept(listener.raw, nil, nil))
                say(bytes, to: socket)
                var room = [UInt8](repeating: 0, count: 65_536)
                if bytes.isEmpty, recv(socket.raw, &room, room.count, 0) >= 0 { return }
                var ready = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
                while poll(&ready, 1, 30_000) > 0, recv(socket.raw, &room, room.count, 0) > 0 {}
            }
            let session = try ground.session(words: ["-nic", "none"])
            try body(ground, session, "unix:\(path)")
            #expect(try session.lines("info status") == ["VM status: running"])
            #expect(try session.run("echo alive").output.contains("alive"))
            try session.quit()
            #expect(ground.leftovers == [])
        }
    }

    /// KiB that a process had at most.
    private func peak(_ session: Session) -> Int {
        let lines = (textOfFile("/proc/\(session.child.pid)/status") ?? "").split(separator: "\n")
        return lines.first { $0.hasPrefix("VmHWM") }?.split(whereSeparator: \.isWhitespace).dropFirst().first
            .flatMap { Int($0) } ?? 0
    }

    @Test("a source says one line, and its guest goes on", arguments: StrangeWords.ofDestinations)
    func source(row: StrangeWords) throws {
        try withStranger(row.bytes) { _, session, uri in
            let before = peak(session)
            let answer = try session.lines("migrate \(uri)")
            #expect(answer.count == 1 && answer.joined().contains(row.says), "\(answer)")
            #expect(peak(session) < before + 64 << 10)
            #expect(try session.lines("info migrate").first?.contains("failed") == true)
        }
    }

    @Test("somebody who takes the connection and never says a word is not waited for longer than ten seconds")
    func silent() throws {
        try withStranger([0x4e]) { _, session, uri in
            let answer = try session.lines("migrate \(uri)", seconds: 40)
            #expect(answer == ["netemu: the other end did not answer within 10000 ms"])
        }
    }

    @Test("nobody there: refused at once, and the guest goes on", arguments: ["unix", "tcp"])
    func nobody(way: String) throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: ["-nic", "none"])
            let answer = try session.lines(
                "migrate " + (way == "tcp" ? "tcp:127.0.0.1:4444" : "unix:\(ground.directory.path)/nobody"))
            #expect(answer.count == 1 && answer.joined().contains("Failed to connect"), "\(answer)")
            #expect(try session.lines("info status") == ["VM status: running"])
            try session.quit()
        }
    }

    @Test("a place that somebody has already: one line and status 1", arguments: ["unix", "tcp"])
    func inUse(way: String) throws {
        try withGround(as: .mapped) { ground in
            let place = way == "tcp" ? "tcp:127.0.0.1:4444" : "unix:\(ground.directory.path)/m"
            let first = try ground.session(words: ["-nic", "none", "-incoming", place])
            let second = try ground.start(quiet(ground) + ["-incoming", place])
            #expect(try second.wait(seconds: 20) == .exited(1), "\(second.transcript)")
            #expect(lines(second).count == 1 && second.errors.contains("Address already in use"), "\(second.errors)")
            #expect(try first.lines("info status") == ["VM status: paused (inmigrate)"])
            // Who waits has no guest to send, to himself neither; whom a guest has come to does not wait any more.
            #expect(
                try first.lines("migrate \(place)") == ["Error: Guest is waiting for an incoming migration"])
            let source = try ground.session(words: ["-nic", "none"])
            #expect(try source.lines("migrate \(place)") == [], "\(source.child.transcript)")
            #expect(try eventually { try first.lines("info status") == ["VM status: running"] })
            let answer = try first.lines("migrate \(place)")
            #expect(answer.count == 1 && answer.joined().contains("Failed to connect"), "\(answer)")
            #expect(try first.lines("info status") == ["VM status: running"])
            try source.quit()
            try first.quit()
        }
    }

    @Test("a guest that is sent to its own monitor stays")
    func oneself() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/monitor"
            let session = try ground.session(words: ["-nic", "none", "-monitor", "unix:\(path),server=on,wait=off"])
            let answer = try session.lines("migrate unix:\(path)")
            #expect(answer.count == 1 && answer.joined().contains("unknown channel magic"), "\(answer)")
            #expect(try session.lines("info status") == ["VM status: running"])
            #expect(try session.run("echo alive").output.contains("alive"))
            try session.quit()
        }
    }
}
