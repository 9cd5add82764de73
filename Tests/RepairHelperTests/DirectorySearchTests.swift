// netemu-repair in a directory: thousands of names that nobody answers at, and a server among them.

import CLinux
import Glibc
import Linux
import RepairHelper
import TestSupport
import Testing

@Suite("a directory of repair sockets")
struct DirectorySearchTests {
    /// A name that was bound once and has no listener any more.
    private func dead(_ path: String) throws { _ = try UnixSocket.listen(at: path) }

    @Test(
        "among thousands of dead names a server that appears is found",
        .enabled(if: Privilege.available.contains(.root), "needs root"))
    func manyDead() throws {
        try withTemporaryDirectory { directory in
            for number in 0..<3000 { try dead("\(directory.path)/\(number).repair") }
            try withNamespace(as: .root) { namespace in
                let helper = try namespace.start([try Peers.built("netemu-repair").require(), directory.path])
                let server = try UnixSocket.listen(at: directory.path + "/late.repair")
                _ = try accepted(server, seconds: 20)
                #expect(try helper.wait(seconds: 20) == .exited(0), "\(helper.transcript)")
            }
        }
    }

    @Test(
        "a server that binds its name and listens later is found, too",
        .enabled(if: Privilege.available.contains(.root), "needs root"))
    func lateListener() throws {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .root) { namespace in
                let helper = try namespace.start([try Peers.built("netemu-repair").require(), directory.path])
                let socket = FileDescriptor(owning: try check(ne_unix_socket(CInt(SOCK_STREAM.rawValue)), "socket"))
                _ = try check(ne_unix_bind(socket.raw, (directory.path + "/x.repair").systemPath), "bind")
                usleep(500_000)
                #expect(listen(socket.raw, 1) == 0)
                _ = try accepted(socket, seconds: 20)
                #expect(try helper.wait(seconds: 20) == .exited(0), "\(helper.transcript)")
            }
        }
    }

    @Test(
        "a directory that is removed, or moved away with what is above it, and made anew is searched",
        .enabled(if: Privilege.available.contains(.root), "needs root"), arguments: ["d", "."])
    func anew(moved: String) throws {
        try withTemporaryDirectory { directory in
            let above = directory.path + "/above"
            let path = above + "/d"
            try withNamespace(as: .root) { namespace in
                mkdir(above, 0o755)
                mkdir(path, 0o755)
                let helper = try namespace.start([try Peers.built("netemu-repair").require(), path])
                #expect(eventually { isAsleepInPoll(helper.pid) }, "\(helper.transcript)")
                #expect(moved == "d" ? rmdir(path) == 0 : rename(above, directory.path + "/old") == 0)
                if moved == "." { mkdir(above, 0o755) }
                // Longer than a look: it is waited for, too.
                usleep(100_000)
                mkdir(path, 0o755)
                let server = try UnixSocket.listen(at: path + "/late.repair")
                _ = try accepted(server, seconds: 20)
                #expect(try helper.wait(seconds: 20) == .exited(0), "\(helper.transcript)")
            }
        }
    }

    @Test(
        "--wait counts on when its directory has gone",
        .enabled(if: Privilege.available.contains(.root), "needs root"))
    func patience() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/d"
            try withNamespace(as: .root) { namespace in
                mkdir(path, 0o755)
                let helper = try namespace.start([try Peers.built("netemu-repair").require(), "--wait", "2", path])
                #expect(eventually { isAsleepInPoll(helper.pid) }, "\(helper.transcript)")
                rmdir(path)
                #expect(try helper.wait(seconds: 20) == .exited(1))
                #expect(helper.errors.contains("Can't stat() \(path): No such file or directory"))
            }
        }
    }

    /// The program itself runs (not what started it) and waits in poll(2) or ppoll(2).
    private func isAsleepInPoll(_ pid: pid_t) -> Bool {
        func text(_ name: String) -> String {
            String(decoding: (try? SmallFile.read("/proc/\(pid)/\(name)")) ?? [], as: UTF8.self)
        }
        let call = text("syscall")
        return text("comm") == "netemu-repair\n" && (call.hasPrefix("7 ") || call.hasPrefix("271 "))
    }

    @Test(
        "with its standard descriptors closed the helper's log does not go to the server",
        .enabled(if: Privilege.available.contains(.root), "needs root"), arguments: ["2>&-", "0<&- 1>&- 2>&-"])
    func closedDescriptors(closing: String) throws {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .root) { namespace in
                let server = try UnixSocket.listen(at: directory.path + "/x.repair")
                let program = try Peers.built("netemu-repair").require()
                let helper = try namespace.start(
                    ["/bin/sh", "-c", "exec \"$0\" -v \"$1\" \(closing)", program, directory.path + "/x.repair"])
                let client = try accepted(server, seconds: 20)
                shutdown(client.raw, CInt(SHUT_WR))
                var room = [UInt8](repeating: 0, count: 4096)
                var said: [UInt8] = []
                while try waitReadable(client.raw, milliseconds: 20_000) {
                    let count = read(client.raw, &room, room.count)
                    guard count > 0 else { break }
                    said += room[..<count]
                }
                #expect(said == [])
                #expect(try helper.wait(seconds: 20) == .exited(0))
            }
        }
    }

    private func accepted(_ listener: borrowing FileDescriptor, seconds: Int) throws -> SharedDescriptor {
        guard try waitReadable(listener.raw, milliseconds: seconds * 1000) else {
            throw TestFailure(description: "nobody connected within \(seconds) s")
        }
        return SharedDescriptor(try UnixSocket.accept(listener))
    }
}

@Suite("the server's socket")
struct ServerSocketTests {
    @Test("a socket whose name is no UTF-8 is made and removed under that name")
    func bytes() throws {
        try withTemporaryDirectory { directory in
            let name = Array("\(directory.path)/caf".utf8) + [0xe9] + Array(".repair".utf8)
            let path = String(systemBytes: name)
            let reactor = try Reactor()
            var status = stat()
            do {
                let server = try RepairServer(path: path, reactor: reactor)
                #expect(lstat(name.map { CChar(bitPattern: $0) } + [0], &status) == 0)
                #expect(!server.hasHelper)
            }
            #expect(directory.entries.isEmpty)
        }
    }

    @Test("a socket that somebody else has put in its place stays")
    func another() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/x.repair"
            let reactor = try Reactor()
            var server: RepairServer? = try RepairServer(path: path, reactor: reactor)
            #expect(server?.hasHelper == false && unlink(path) == 0)
            let other = try UnixSocket.listen(at: path)
            server = nil
            let client = try UnixSocket.connect(to: path)
            #expect(client.raw >= 0 && other.raw >= 0)
        }
    }
}

private func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<10_000 {
        if condition() { return true }
        usleep(2000)
    }
    return false
}
