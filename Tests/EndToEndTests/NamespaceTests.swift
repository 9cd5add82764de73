// The tests' own ground: namespaces, children and their end.

import Glibc
import TestSupport
import Testing

@Suite("the ground that end-to-end tests stand on")
struct NamespaceTests {
    @Test("a namespace has the documented addresses and a default route", arguments: Privilege.available)
    func addresses(privilege: Privilege) throws {
        try withNamespace(as: privilege) { namespace in
            let (status, child) = try namespace.run(["ip", "-4", "-o", "addr"])
            #expect(status == .exited(0))
            #expect(child.output.contains("198.51.100.2/24"))
            let route = try namespace.run(["ip", "route", "show", "default"]).child.output
            #expect(route.contains("default via 198.51.100.1"))
        }
    }

    @Test("a program runs as the id that its privilege says", arguments: Privilege.available)
    func identity(privilege: Privilege) throws {
        try withNamespace(as: privilege) { namespace in
            let (_, child) = try namespace.run(["id", "-u"])
            #expect(child.output == (privilege == .plain ? "65534\n" : "0\n"))
        }
    }

    @Test("every privilege can run the peers and the programs of this package", arguments: Privilege.available)
    func reach(privilege: Privilege) throws {
        try withNamespace(as: privilege) { namespace in
            let passt = try #require(Peers.passt.path, "\(Peers.passt.hint)")
            #expect(try namespace.run([passt, "--version"]).status == .exited(0))
            let peer = try namespace.start([try #require(Peers.built("host-peer").path), "echo:7"])
            try peer.wait(for: privilege == .plain ? "cannot serve" : "ready")
        }
    }

    @Test("what a namespace started is ended with it, also when the test throws")
    func ending() throws {
        struct Failure: Error {}
        var pid: pid_t = 0
        #expect(throws: Failure.self) {
            try withNamespace(as: .mapped) { namespace in
                pid = try namespace.start(["sleep", "1000"]).pid
                throw Failure()
            }
        }
        #expect(pid > 0)
        #expect(kill(pid, 0) == -1 && errno == ESRCH)
    }

    @Test("a child's status, both outputs and input come back")
    func child() throws {
        let child = try Child(["/bin/sh", "-c", "read line; echo got $line; echo bad >&2; exit 3"], input: .pipe)
        child.write("hello\n")
        #expect(try child.wait() == .exited(3))
        #expect(child.output == "got hello\n")
        #expect(child.errors == "bad\n")
    }

    @Test("a wait that is in vain ends the child and says what it had printed")
    func deadline() throws {
        let child = try Child(["/bin/sh", "-c", "echo begun; exec sleep 1000"])
        try child.wait(for: "begun")
        let error = #expect(throws: TestFailure.self) { try child.wait(seconds: 0.05) }
        #expect(error?.description.contains("begun") == true)
        #expect(child.status == .signalled(SIGKILL))
    }
}
