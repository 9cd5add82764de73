// QEMU 11.1 at the other end of -netdev stream, in both roles: its user-mode network behind a hub gives the node an
// address and answers its echo requests.

import TestSupport
import Testing

@Suite("QEMU at the other end", .serialized)
struct QEMUPeerTests {
    /// Who listens, and where.
    struct Meeting: Sendable, CustomTestStringConvertible {
        let isServer: Bool
        let address: String
        var testDescription: String { "\(isServer ? "netemu" : "QEMU") listens at \(address)" }
    }

    static let meetings = [true, false].flatMap { isServer in
        ["addr.type=unix,addr.path={directory}/stream", "addr.type=inet,addr.host=127.0.0.1,addr.port=4444"].map {
            Meeting(isServer: isServer, address: $0)
        }
    }

    @Test("lease, echo and name of QEMU's user-mode network over a stream", arguments: meetings)
    func stream(meeting: Meeting) throws {
        try withGround(as: .mapped) { ground in
            let qemu = try Peers.find("qemu-system-x86_64").require()
            let address = meeting.address.replacing("{directory}", with: ground.directory.path)
            func netdev(_ id: String, isServer: Bool) -> String {
                "stream,id=\(id),server=\(isServer ? "on" : "off"),\(address)" + (isServer ? "" : ",reconnect-ms=50")
            }
            let session = try ground.session(words: [
                "-netdev", netdev("n0", isServer: meeting.isServer), "-device", "virtio-net-pci,netdev=n0",
            ])
            let waiting = meeting.isServer ? "listening" : "connecting"
            #expect(try session.backEnd() == "n0: index=0,type=stream,\(waiting)")
            let peer = try ground.namespace.start([
                qemu, "-M", "none", "-display", "none", "-netdev", "user,id=u0", "-netdev",
                netdev("s0", isServer: !meeting.isServer), "-netdev", "hubport,id=h0,hubid=0,netdev=u0", "-netdev",
                "hubport,id=h1,hubid=0,netdev=s0",
            ])
            #expect(
                try eventually { try session.run("ip addr").output.contains(" 10.0.2.15/24 ") }, "\(peer.transcript)")
            #expect(try session.run("ping -c 2 -i 0.1 10.0.2.2").status == 0)
            #expect(try session.backEnd() != "n0: index=0,type=stream,\(waiting)")
            peer.end()
            #expect(try eventually { try session.backEnd() == "n0: index=0,type=stream,\(waiting)" })
        }
    }
}
