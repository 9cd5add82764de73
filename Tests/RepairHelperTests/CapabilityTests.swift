// Where netemu-repair has its capability from: the sample unit, the file. Real capabilities in the first user namespace, so
// root only; what `unshare -Urn` gives is the laboratory's subject.

import CLinux
import Glibc
import Linux
import TestSupport
import Testing

@Suite("The sample unit")
struct UnitTests {
    static let unit = (textOfFile(Peers.packageRoot + "/dist/netemu-repair@.service") ?? "").split(separator: "\n")
        .map(String.init)
    static let analyze = Peers.system("systemd-analyze")

    @Test("systemd finds no fault in it", .enabled(if: analyze.isThere, "systemd-analyze is missing"))
    func verify() throws {
        let program = try Peers.built("netemu-repair").require()
        let text = Self.unit.filter { !$0.hasPrefix("Documentation=") }.joined(separator: "\n")
        #expect(text.contains("/usr/local/bin/netemu-repair"))
        try withTemporaryDirectory { directory in
            let path = directory.path + "/netemu-repair@daemon.service"
            let bytes = Array(text.replacing("/usr/local/bin/netemu-repair", with: program).utf8)
            let file = FileDescriptor(owning: open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
            #expect(bytes.withUnsafeBytes { write(file.raw, $0.baseAddress, $0.count) } == bytes.count)
            let child = try Child([try Self.analyze.require(), "verify", "--man=no", path])
            #expect(try child.wait(seconds: 60) == .exited(0), "\(child.transcript)")
            #expect(!child.errors.contains("netemu-repair@"), "\(child.errors)")
        }
    }

    @Test("the user and the capability are those that the test below gives")
    func words() {
        for line in [
            "User=%i", "AmbientCapabilities=CAP_NET_ADMIN", "CapabilityBoundingSet=CAP_NET_ADMIN",
            "NoNewPrivileges=yes",
        ] {
            #expect(Self.unit.contains(line))
        }
    }
}

@Suite(
    "The capability of an ordinary user's netemu-repair",
    .enabled(if: Privilege.available.contains(.root), "needs root"))
struct CapabilityTests {
    private static let capability = "-all,+net_admin"
    /// What systemd does for the sample unit before it starts the program.
    private static let ambient = [
        "--inh-caps=\(capability)", "--ambient-caps=\(capability)", "--bounding-set=\(capability)", "--no-new-privs",
    ]

    @Test("ambient, as the owner of a socket in a 0700 directory: it switches a connection; a stranger gets nowhere")
    func owner() throws {
        try withSocket { listener, path, namespace in
            let program = try Peers.built("netemu-repair").require()
            let stranger = try start(program, path, namespace, 65533, Self.ambient)
            #expect(try stranger.wait() == .exited(1))
            #expect(stranger.errors.contains("Permission denied"), "\(stranger.errors)")
            try expectSwitching(listener, try start(program, path, namespace, 65534, Self.ambient))
        }
    }

    @Test(
        "of the file, as net.rst spells it and without the inheritable one; ambient on top of it as well",
        .enabled(if: Peers.system("setcap").isThere, "setcap is missing"),
        arguments: ["cap_net_admin+eip", "cap_net_admin+ep"])
    func file(_ text: String) throws {
        try withSocket { listener, path, namespace in
            let program = String(path.dropLast("x.repair".count)) + "netemu-repair"
            let copying = try Child([
                try Peers.system("install").require(), "-m", "755", try Peers.built("netemu-repair").require(), program,
            ])
            #expect(try copying.wait() == .exited(0), "\(copying.transcript)")
            let setting = try Child([try Peers.system("setcap").require(), text, program])
            #expect(try setting.wait() == .exited(0), "\(setting.transcript)")
            try expectSwitching(listener, try start(program, path, namespace, 65534, []))
            try expectSwitching(listener, try start(program, path, namespace, 65534, Self.ambient))
        }
    }

    /// A socket of user 65534 in a directory that only that user enters.
    private func withSocket(_ body: (borrowing FileDescriptor, String, Namespace) throws -> Void) throws {
        try withTemporaryDirectory(for: .plain) { directory in
            let path = directory.path + "/x.repair"
            let listener = try UnixSocket.listen(at: path)
            chown(path, 65534, 65534)
            try withNamespace(as: .plain) { namespace in try body(listener, path, namespace) }
        }
    }

    private func start(_ program: String, _ path: String, _ namespace: Namespace, _ user: Int, _ more: [String]) throws
        -> Child
    {
        try Child(
            [
                try Peers.system("nsenter").require(), "-t", String(namespace.holderPID), "-n", "-m", "setpriv",
                "--reuid=\(user)", "--regid=\(user)", "--clear-groups",
            ] + more + [program, path])
    }

    private func expectSwitching(_ listener: borrowing FileDescriptor, _ helper: Child) throws {
        guard try waitReadable(listener.raw, milliseconds: 20_000) else {
            throw TestFailure(description: "no helper\n\(helper.transcript)")
        }
        let server = SharedDescriptor(try UnixSocket.accept(listener))
        let socket = FileDescriptor(owning: socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0))
        #expect(try UnixSocket.send(server.raw, message: [1], descriptors: [socket.raw]))
        var answer: UInt8 = 0
        _ = try waitReadable(server.raw, milliseconds: 20_000)
        #expect(recv(server.raw, &answer, 1, 0) == 1 && answer == 1, "\(helper.transcript)")
        #expect(try RepairOption(socket.raw).isOn())
        shutdown(server.raw, CInt(SHUT_RDWR))
        #expect(try helper.wait() == .exited(0), "\(helper.transcript)")
    }
}
