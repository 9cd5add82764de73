// What a node sends arrives, through real passt in both of its modes: small files, peers that close first, and the
// end of netemu itself.

import Glibc
import TestSupport
import Testing

/// How frames get to passt.
private let modes = ["vhost-user=on", "vhost-user=off"]

@Suite("what is sent arrives", .serialized)
struct DeliveryTests {
    private func arguments(_ mode: String, _ more: String = "", run script: String) -> [String] {
        ["-nic", "passt,model=virtio,\(mode)\(more),path={passt}", "-guest", "node,run=\(script)"]
    }

    @Test("files of 1 to 30,000 bytes, sent as soon as the connection stands", arguments: modes, ["", ",mtu=1500"])
    func smallFiles(mode: String, mtu: String) throws {
        let sizes = [1, 3, 1460, 1461, 30_000]
        try withGround(as: .mapped) { ground in
            for size in sizes {
                let command = "head -c \(size) /dev/zero >\(ground.directory.path)/f\(size)"
                #expect(try ground.namespace.run(["sh", "-c", command]).status == .exited(0))
            }
            let script = sizes.map { "nc -N \(gateway) 9000 < f\($0)" }.joined(separator: " && ")
            let netemu = try ground.start(arguments(mode, mtu, run: script))
            #expect(try netemu.wait(seconds: 60) == .exited(0), "\(netemu.transcript)")
            for size in sizes { try ground.peer.wait(for: "sink: \(size) bytes") }
        }
    }

    @Test("all of it to a peer that has closed its side first, and its end, before netemu ends", arguments: modes)
    func closedFirst(mode: String) throws {
        try withGround(as: .mapped) { ground in
            let peer = try ground.namespace.start([try Peers.built("host-peer").require(), "half:9010"])
            try peer.wait(for: "ready")
            let netemu = try ground.start(
                arguments(mode, run: "nc -N --send-bytes 200000 \(gateway) 9010"))
            #expect(try netemu.wait(seconds: 60) == .exited(0), "\(netemu.transcript)")
            try peer.wait(for: "half: 200000 bytes, end of file")
        }
    }

    @Test("the end of a connection that is open when netemu ends", arguments: modes)
    func quit(mode: String) throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: ["-nic", "passt,model=virtio,\(mode),path=\(ground.passt)"])
            try session.waitForLease()
            _ = try session.console.ask("nc -v \(gateway) 9000", until: "succeeded!")
            _ = try session.console.ask("last words", until: "last words\n")
            session.child.write("quit\n")
            #expect(try session.child.wait() == .exited(0))
            try ground.peer.wait(for: "sink: 11 bytes")
        }
    }
}
