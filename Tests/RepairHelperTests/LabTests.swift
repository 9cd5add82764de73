// The kernel as oracle: every scenario of repair-lab, in a fresh network namespace, as root and as an
// ordinary user whose id is mapped. A scenario fails by name, with what it saw.

import Linux
import TestSupport
import Testing

@Suite("TCP connections that are taken down and put up again")
struct LabTests {
    static let lab = Peers.built("repair-lab")
    static let groups = 2

    struct Run: Sendable, CustomTestStringConvertible {
        let privilege: Privilege
        let group: Int
        var testDescription: String { "as \(privilege), part \(group + 1) of \(LabTests.groups)" }
    }

    static var runs: [Run] {
        [Privilege.root, .mapped].filter(Privilege.available.contains).flatMap { privilege in
            (0..<groups).map { Run(privilege: privilege, group: $0) }
        }
    }

    @Test(
        "the kernel goes on with every connection, in every state, and the helper keeps its promises", arguments: runs)
    func scenarios(_ run: Run) throws {
        let lab = try #require(Self.lab.path)
        try withNamespace(as: run.privilege) { namespace in
            let list = try namespace.run([lab, "--list"]).child.output.split(separator: "\n").map(String.init)
            let part = list.enumerated().filter { $0.offset % Self.groups == run.group }.map(\.element)
            try #require(part.count > 10)
            let (status, child) = try namespace.run([lab] + part, seconds: 240)
            #expect(status == .exited(0), "\(child.transcript)")
            #expect(child.output.split(separator: "\n").filter { $0.hasPrefix("ok ") }.count == part.count)
        }
    }
}

@Suite("The program netemu-repair")
struct ProgramTests {
    static let program = Peers.built("netemu-repair")

    private func run(_ arguments: [String], as privilege: Privilege = .mapped) throws -> (TestSupport.ExitStatus, Child)
    {
        let program = try #require(Self.program.path)
        return try withNamespace(as: privilege) { try $0.run([program] + arguments) }
    }

    @Test("misuse is exit status 2 with a sentence that names the word")
    func misuse() throws {
        for (words, text) in [
            ([], "PATH is missing"), (["--frob", "x"], "--frob: unknown option"), (["a", "b"], "b: one PATH only"),
            (["--wait", "-1", "x"], "--wait -1: a whole number"), (["--wait"], "--wait: SECONDS is missing"),
            (["/dev/null"], "/dev/null is not a socket"),
        ] {
            let (status, child) = try run(words)
            #expect(status == .exited(2), "\(words)")
            #expect(child.errors.contains("netemu-repair: \(text)"), "\(child.errors)")
        }
    }

    @Test("a path that is not there is exit status 1, at once and after a wait")
    func absent() throws {
        for words in [["/nonexistent/x.repair"], ["--wait=0", "/nonexistent/x.repair"]] {
            let (status, child) = try run(words)
            #expect(status == .exited(1))
            #expect(child.errors.contains("Can't stat() /nonexistent/x.repair: No such file or directory"))
        }
    }

    @Test("help and version go to standard output")
    func help() throws {
        let (status, child) = try run(["--help"])
        #expect(status == .exited(0))
        #expect(child.output.hasPrefix("Usage: netemu-repair [OPTION]... PATH\n"))
        #expect(try run(["--version"]).1.output.hasPrefix("netemu-repair "))
    }

    @Test("without CAP_NET_ADMIN it says so in one line, with the command that helps")
    func noCapability() throws {
        guard Privilege.available.contains(.plain) else { return }
        let (status, child) = try run(["/tmp"], as: .plain)
        #expect(status == .exited(1))
        // The path, so that the command can be copied wherever the program was called from.
        let path = try #require(Self.program.path)
        #expect(child.errors.contains("CAP_NET_ADMIN is missing; as root: setcap cap_net_admin+eip \(path)\n"))
        #expect(child.errors.split(separator: "\n").count == 1)
    }
}
