import CLinux
import Glibc
import Testing

@testable import Linux

@Suite("UNIX sockets")
struct UnixSocketTests {
    private func closesOnExec(_ fd: CInt) -> Bool { fcntl(fd, F_GETFD) & FD_CLOEXEC != 0 }
    private func blocks(_ fd: CInt) -> Bool { fcntl(fd, F_GETFL) & O_NONBLOCK == 0 }

    @Test("a path of 190 characters can be listened at and connected to; so can a name in its directory")
    func longPath() throws {
        let scratch = try Scratch()
        let long = scratch.path + "/" + String(repeating: "d", count: 150)
        mkdir(long, 0o755)
        let path = long + "/" + String(repeating: "s", count: 20)
        #expect(path.utf8.count >= 190)
        let listener = try UnixSocket.listen(at: path)
        let client = try UnixSocket.connect(to: path)
        let directory = FileDescriptor(owning: try check(ne_open(long, O_RDONLY | O_DIRECTORY, 0), "open"))
        let other = try UnixSocket.connect(to: String(repeating: "s", count: 20), in: directory.raw)
        for _ in 0..<2 {
            let accepted = try UnixSocket.accept(listener)
            #expect(closesOnExec(accepted.raw) && !blocks(accepted.raw))
        }
        for fd in [listener.raw, client.raw, other.raw] { #expect(closesOnExec(fd) && !blocks(fd)) }
        #expect(throws: SystemError(call: "accept4", code: EAGAIN)) { _ = try UnixSocket.accept(listener) }
    }

    @Test("a name that cannot be a file name is ENAMETOOLONG, a missing one ENOENT, one nobody listens at ECONNREFUSED")
    func errors() throws {
        let scratch = try Scratch()
        func code(_ path: String) -> CInt? {
            do throws(SystemError) { _ = try UnixSocket.connect(to: path) } catch { return error.code }
            return nil
        }
        #expect(code(scratch.path + "/" + String(repeating: "n", count: 300)) == ENAMETOOLONG)
        #expect(code(scratch.path + "/missing") == ENOENT)
        do { _ = try UnixSocket.listen(at: scratch.path + "/dead") }
        #expect(code(scratch.path + "/dead") == ECONNREFUSED)
    }

    @Test("listening replaces a dead socket, but neither a living one nor a file")
    func stale() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/s"
        do { _ = try UnixSocket.listen(at: path) }
        let living = try UnixSocket.listen(at: path)
        #expect(living.raw >= 0)
        #expect(throws: SystemError(call: "bind", code: EADDRINUSE, subject: path)) {
            _ = try UnixSocket.listen(at: path)
        }
        // Who listens there was not disturbed.
        #expect(throws: SystemError(call: "accept4", code: EAGAIN)) { _ = try UnixSocket.accept(living) }
        let file = scratch.path + "/file"
        try SmallFile.write([1], to: file)
        #expect(throws: SystemError(call: "bind", code: EADDRINUSE, subject: file)) {
            _ = try UnixSocket.listen(at: file)
        }
        #expect(try SmallFile.read(file) == [1])
    }

    @Test("descriptors arrive owned and close-on-exec; more than there is room for is told and leaks nothing")
    func descriptors() throws {
        let (a, b) = try UnixSocket.pair(.sequencedPackets)
        let event = try EventDescriptor()
        #expect(try UnixSocket.send(a.raw, message: [1, 2, 3], descriptors: [event.raw, event.raw, event.raw]))
        #expect(try UnixSocket.send(a.raw, message: [4], descriptors: [event.raw, event.raw, event.raw]))
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 1)
        defer { room.deallocate() }
        let packet = try #require(try UnixSocket.receive(b.raw, into: room, descriptorLimit: 3))
        #expect(packet.count == 3 && packet.descriptors.count == 3 && !packet.isTruncated)
        for descriptor in packet.descriptors { #expect(closesOnExec(descriptor.raw)) }
        var one: UInt64 = 1
        #expect(write(packet.descriptors[0].raw, &one, 8) == 8)
        #expect(event.drain())
        let short = try #require(try UnixSocket.receive(b.raw, into: room, descriptorLimit: 2))
        #expect(short.descriptors.count == 2 && short.isTruncated)
        #expect(try UnixSocket.receive(b.raw, into: room) == nil)
    }

    @Test("a full socket takes nothing and says so")
    func full() throws {
        let (a, b) = try UnixSocket.pair(.sequencedPackets)
        var sent = 0
        while sent < 100_000, try UnixSocket.send(a.raw, message: [UInt8](repeating: 0, count: 1000)) { sent += 1 }
        #expect((1..<100_000).contains(sent))
        #expect(b.raw >= 0)
    }

    @Test("the peer is who it is")
    func credentials() throws {
        let (a, b) = try UnixSocket.pair()
        #expect(try UnixSocket.peerCredentials(a.raw) == PeerCredentials(pid: getpid(), uid: getuid(), gid: getgid()))
        #expect(b.raw >= 0)
    }
}
