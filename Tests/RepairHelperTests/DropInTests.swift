// netemu-repair in the place of passt-repair: the same exit statuses for the same words and the same peers.

import CLinux
import Glibc
import Linux
import TestSupport
import Testing

@Suite("netemu-repair where passt-repair was")
struct DropInTests {
    @Test(
        "the same words end with the same status (passt-repair's own filter may kill it where it has an error to tell)",
        .enabled(if: Peers.passtRepair.isThere, Comment(rawValue: Peers.passtRepair.hint)))
    func words() throws {
        try withTemporaryDirectory { directory in
            let dead = directory.path + "/dead.repair"
            _ = try UnixSocket.listen(at: dead)
            try withNamespace(as: .mapped) { namespace in
                for words in [
                    [], ["a", "b"], ["/dev/null"], ["/nonexistent/x.repair"], [dead], [""],
                ] {
                    let old = told(try namespace.run([try Peers.passtRepair.require()] + words).status)
                    let new = try namespace.run([try Peers.built("netemu-repair").require()] + words)
                    #expect(new.status == old, "\(words): \(new.child.errors)")
                }
            }
        }
    }

    /// Its filter has no call for what the C library needs to print an error: killed where it meant to say 1.
    private func told(_ status: TestSupport.ExitStatus) -> TestSupport.ExitStatus {
        status == .signalled(SIGSYS) ? .exited(1) : status
    }

    /// A conversation by its messages; descriptors by their number.
    struct Talk: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let messages: [(byte: UInt8, sockets: Int, pipes: Int)]
    }

    static let talks = [
        Talk(testDescription: "nothing", messages: []),
        Talk(testDescription: "on and off", messages: [(1, 3, 0), (0, 3, 0)]),
        Talk(testDescription: "on and off without a probe", messages: [(1, 253, 0), (0xff, 253, 0)]),
        Talk(testDescription: "a save", messages: [(1, 2, 0)]),
        Talk(testDescription: "an unknown command", messages: [(7, 1, 0)]),
        Talk(testDescription: "no descriptor", messages: [(1, 0, 0)]),
        Talk(testDescription: "a pipe", messages: [(1, 1, 1)]),
    ]

    @Test(
        "the same conversation has the same answers and the same status",
        .enabled(if: Peers.passtRepair.isThere && Privilege.available.contains(.root), "needs passt-repair and root"),
        arguments: talks)
    func conversation(_ talk: Talk) throws {
        var old = try outcome(of: talk, with: Peers.passtRepair)
        old.status = told(old.status)
        let new = try outcome(of: talk, with: Peers.built("netemu-repair"))
        #expect(new == old)
    }

    private struct Outcome: Equatable {
        var answers: [UInt8] = []
        var status = TestSupport.ExitStatus.exited(-1)
    }

    private func outcome(of talk: Talk, with program: TestSupport.Peer) throws -> Outcome {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .root) { namespace in
                let listener = try UnixSocket.listen(at: directory.path + "/x.repair")
                let helper = try namespace.start([try program.require(), directory.path + "/x.repair"])
                let server = SharedDescriptor(try Self.accept(listener, helper))
                var outcome = Outcome()
                let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
                let other = open("/dev/null", O_RDONLY)
                for message in talk.messages {
                    let descriptors =
                        Array(repeating: socket, count: message.sockets) + Array(repeating: other, count: message.pipes)
                    #expect(try UnixSocket.send(server.raw, message: [message.byte], descriptors: descriptors))
                    var answer: UInt8 = 0
                    _ = try waitReadable(server.raw, milliseconds: 10_000)
                    if recv(server.raw, &answer, 1, 0) == 1 { outcome.answers.append(answer) }
                }
                close(socket)
                close(other)
                shutdown(server.raw, CInt(SHUT_RDWR))
                outcome.status = try helper.wait()
                return outcome
            }
        }
    }

    private static func accept(_ listener: borrowing FileDescriptor, _ helper: Child) throws -> FileDescriptor {
        guard try waitReadable(listener.raw, milliseconds: 20_000) else {
            throw TestFailure(description: "no helper\n\(helper.transcript)")
        }
        return try UnixSocket.accept(listener)
    }
}
