// The example runs, and is as short as it claims to be.

import TestSupport
import Testing

@Suite("Examples/move-connection")
struct ExampleTests {
    @Test("moves a connection from one namespace to another, in at most 60 lines")
    func moves() throws {
        let source = textOfFile(Peers.packageRoot + "/Examples/move-connection/main.swift") ?? ""
        #expect(!source.isEmpty && source.count { $0 == "\n" } <= 60)
        try withNamespace(as: .mapped) { namespace in
            let (status, child) = try namespace.run([try Peers.built("move-connection").require()])
            #expect(status == .exited(0), "\(child.transcript)")
            #expect(
                child.output == """
                    place B reads: sent before the move, read after it
                    the peer reads: an answer from place B

                    """)
        }
    }
}
