import Bytes
import Glibc
import Linux
import Testing

@testable import Migration

@Suite("migrations over descriptors")
struct SessionTests {
    private func path() -> String { "/tmp/netemu-migration-\(getpid())-\(UInt64.random(in: 0 ... .max))" }

    /// This host has ::1.
    private static var hasIPv6: Bool {
        let file = socket(AF_INET6, CInt(SOCK_STREAM.rawValue), 0)
        guard file >= 0 else { return false }
        defer { close(file) }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_addr = in6addr_loopback
        let size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        return withUnsafeBytes(of: &address) { bytes in
            guard let start = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return false }
            return bind(file, start, size) == 0
        }
    }

    @Test("over a socket pair")
    func pair() throws {
        let party = try Party()
        let (one, other) = try UnixSocket.pair()
        try party.receive(over: MigrationChannel(other))
        try party.send(over: MigrationChannel(one))
        try party.run { party.outcome != nil && party.end != nil }
        party.expectMoved()
        #expect(party.source?.status.pages.normal == 768)
        #expect(party.reactor.watchCount == 0)
    }

    @Test("over TCP in both families, by names, and over a unix socket")
    func sockets() throws {
        let unix = path()
        let six = Self.hasIPv6 ? ["tcp:[::1]:0"] : []
        for address in ["tcp:127.0.0.1:0", "tcp:localhost:0,ipv4", "unix:\(unix)"] + six {
            let party = try Party()
            try party.open(address, isIncoming: true)
            try party.run { party.place != nil || party.failure != nil }
            let place = try #require(party.place, "\(address): \(String(describing: party.failure))")
            try party.open(place, isIncoming: false)
            try party.run { party.outcome != nil && party.end != nil || party.failure != nil }
            party.expectMoved(address)
        }
        #expect(access(unix, F_OK) != 0)
    }

    @Test("by descriptors")
    func descriptors() throws {
        let party = try Party()
        var ends: [CInt] = [-1, -1]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        try party.open("fd:\(ends[0])", isIncoming: true)
        try party.open("fd:\(ends[1])", isIncoming: false)
        try party.run { party.outcome != nil && party.end != nil || party.failure != nil }
        party.expectMoved()
        #expect(party.source?.source.isSnapshot == false)
        try party.open("fd:987", isIncoming: false)
        try party.run { party.failure != nil }
        #expect(party.failure == .descriptor(987))
    }

    @Test("a snapshot in a file, at an offset, for its owner only")
    func file() throws {
        let name = path()
        defer { unlink(name) }
        let party = try Party()
        try party.open("file:\(name),offset=4096", isIncoming: false)
        try party.run { party.outcome != nil || party.failure != nil }
        var status = stat()
        #expect(stat(name, &status) == 0 && status.st_mode & 0o777 == 0o600 && status.st_size > 3 << 20)
        try party.open("file:\(name),offset=4096", isIncoming: true)
        try party.run { party.end != nil || party.failure != nil }
        party.expectMoved()
    }

    @Test("a full disk leaves the guest running")
    func diskFull() throws {
        let party = try Party()
        try party.open("file:/dev/full", isIncoming: false)
        try party.run { party.outcome != nil || party.failure != nil }
        guard case .kept(.system(let error), _, _) = party.outcome else {
            Issue.record("\(String(describing: party.outcome))")
            return
        }
        #expect(error.code == ENOSPC)
    }

    @Test("through a program to a snapshot and back")
    func programs() throws {
        let name = path()
        defer { unlink(name) }
        let party = try Party()
        try party.open("exec:exec gzip -1 -c >\(name)", isIncoming: false)
        try party.run { party.outcome != nil || party.failure != nil }
        #expect(party.source?.source.isSnapshot == true)
        try party.open("exec:exec gzip -d -c \(name)", isIncoming: true)
        try party.run { party.end != nil || party.failure != nil }
        party.expectMoved()
    }

    @Test("through programs that talk both ways")
    func bothWays() throws {
        let name = path()
        #expect(mkfifo(name + "-there", 0o600) == 0 && mkfifo(name + "-back", 0o600) == 0)
        defer {
            unlink(name + "-there")
            unlink(name + "-back")
        }
        let party = try Party()
        party.answersWithin = .either(within: .seconds(600))
        try party.open("exec:exec 3<&0; cat <&3 >\(name)-there & exec cat \(name)-back", isIncoming: false)
        try party.open("exec:exec 3<&0; cat <&3 >\(name)-back & exec cat \(name)-there", isIncoming: true)
        try party.run { party.outcome != nil && party.end != nil || party.failure != nil }
        party.expectMoved()
        #expect(party.source?.source.isSnapshot == false)
    }

    @Test("a program that fails before it has everything, and one that fails behind it")
    func failingPrograms() throws {
        let first = try Party()
        try first.open("exec:exit 3", isIncoming: false)
        try first.run { first.outcome != nil }
        guard case .kept = first.outcome else {
            Issue.record("\(String(describing: first.outcome))")
            return
        }
        let last = try Party()
        try last.open("exec:exec >&-; cat >/dev/null; exit 3", isIncoming: false)
        try last.run { last.outcome != nil }
        guard case .uncertain(let failure, _) = last.outcome else {
            Issue.record("\(String(describing: last.outcome))")
            return
        }
        #expect("\(failure)" == "the command exited with code 3")
    }

    @Test("a reader of a snapshot that talks without end keeps nobody from anything")
    func endlessTalk() throws {
        let party = try Party()
        let input = SharedDescriptor(FileDescriptor(owning: open("/dev/zero", O_RDONLY | O_CLOEXEC)))
        let output = SharedDescriptor(FileDescriptor(owning: open("/dev/null", O_WRONLY | O_CLOEXEC)))
        try party.send(over: MigrationChannel(input: input, output: output, mode: .snapshot))
        try party.run { party.outcome != nil }
        #expect(party.outcome == .completed(report: []))
    }

    @Test("a program that has a whole snapshot and does not end is told of")
    func programWithoutEnd() throws {
        let party = try Party()
        party.patience.exit = .milliseconds(50)
        try party.open("exec:exec >&-; cat >/dev/null; exec sleep 600", isIncoming: false)
        try party.run { party.outcome != nil }
        #expect(party.outcome == .uncertain(.late(.exit, .milliseconds(50)), arrived: []))
        #expect("\(MigrationFailure.late(.exit, .seconds(1)))" == "the command did not end within 1000 ms")
    }

    @Test("a program that keeps its output open and says nothing gets a snapshot when it has had its time")
    func silentProgram() throws {
        let party = try Party()
        party.answersWithin = .either(within: .milliseconds(100))
        try party.open("exec:cat >/dev/null", isIncoming: false)
        try party.run { party.outcome != nil }
        #expect(party.outcome == .completed(report: []))
    }

    @Test("without a spawner exec: is refused in words; a closed port is a failure")
    func refused() throws {
        let party = try Party()
        try party.open("exec:true", isIncoming: false, spawns: false)
        try party.run { party.failure != nil }
        #expect(party.failure == .noPrograms)
        party.failure = nil
        try party.open("tcp:127.0.0.1:1", isIncoming: false)
        try party.run { party.failure != nil }
        guard case .stream(.connect(let error), _) = party.failure else {
            Issue.record("\(String(describing: party.failure))")
            return
        }
        #expect(error.code == ECONNREFUSED)
    }

    @Test("memory whose writers mark nothing goes over whole, and no page of it twice")
    func unmarked() throws {
        let party = try Party()
        party.memory.tracking = nil
        party.writesWhenStopped = true
        let (one, other) = try UnixSocket.pair()
        try party.receive(over: MigrationChannel(other))
        try party.send(over: MigrationChannel(one))
        try party.run { party.outcome != nil && party.end != nil }
        party.expectMoved()
        #expect(party.source?.status.pages.normal == 770)
    }

    @Test("the words of a refusal arrive, whatever is under way")
    func words() throws {
        let party = try Party()
        party.refusal = "net0: mtu is 1500 there and 9000 here"
        let (one, other) = try UnixSocket.pair()
        try party.receive(over: MigrationChannel(other))
        try party.send(over: MigrationChannel(one))
        try party.run { party.outcome != nil && party.end != nil }
        #expect(party.source?.status.failure?.description == party.refusal)
    }

    @Test("four gigabytes that nobody touched are a few hundred bytes")
    func sparse() throws {
        let party = try Party(size: 4 << 30, filled: 4096)
        let (one, other) = try UnixSocket.pair()
        try party.receive(over: MigrationChannel(other))
        try party.send(over: MigrationChannel(one))
        try party.run { party.outcome != nil && party.end != nil }
        #expect(party.outcome == .completed(report: []) && party.hasStarted)
        let status = try #require(party.source?.status)
        #expect(status.pages.normal == 1 && status.pages.zero == (1 << 20) - 1)
        #expect(status.transferred < 110_000)
        var pages = PageSet(pageCount: 1 << 20)
        party.copy.populated(into: &pages)
        #expect(pages.count == 1)
    }

    @Test("what QEMU accepts as an address, and its words for the rest")
    func addresses() throws {
        #expect(try MigrationURI("defer") == .later)
        #expect(try MigrationURI("tcp::4444") == .stream(.inet(InternetName(host: "", port: "4444"))))
        #expect(try MigrationURI("tcp:[fe80::1]:4444") == .stream(.inet(InternetName(host: "fe80::1", port: "4444"))))
        #expect(try MigrationURI("unix:a:b") == .stream(.unix(UnixAddress(path: "a:b"))))
        #expect(try MigrationURI("exec:cat >x") == .command("cat >x"))
        #expect(try MigrationURI("file:a,b,offset=7") == .file(path: "a,b", offset: 7))
        #expect(try MigrationURI("fd:3") == .descriptor(3))
        let wrong = [
            "foo": "unknown migration protocol: foo", "tcp:127.0.0.1": "error parsing address '127.0.0.1'",
            "tcp:": "error parsing address ''", "unix:": "invalid Unix socket address",
            "tcp:[::1": "error parsing IPv6 address '[::1'", "fd:x": "Invalid file descriptor number 'x'",
            "tcp::": "error parsing port in address ':'", "": "unknown migration protocol: ",
            "tcp:a:1,bogus=2": "Invalid parameter 'bogus=2'",
        ]
        for (text, words) in wrong {
            do {
                let uri = try MigrationURI(text)
                Issue.record("\(text): \(uri)")
            } catch { #expect("\(error)" == words) }
        }
    }
}
