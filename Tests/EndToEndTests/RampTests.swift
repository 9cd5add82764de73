// The ramp's definition is one that others can make and look at: a few lines of Python, through a real passt.

import TestSupport
import Testing

@Suite("ramp and a peer in Python", .serialized)
struct RampTests {
    /// Says a million words on 9020, and tells what it got on 9021.
    private static let peer = """
        import socket, struct
        def ramp(words): return b"".join(struct.pack(">I", n) for n in range(words))
        says, hears = socket.create_server(("", 9020)), socket.create_server(("", 9021))
        print("listening", flush=True)
        speaker, _ = says.accept()
        speaker.sendall(ramp(1000000))
        speaker.close()
        hearer, _ = hears.accept()
        got = b""
        while piece := hearer.recv(1 << 20): got += piece
        print("heard", len(got), got == ramp(len(got) // 4), flush=True)
        """

    @Test("both ways, byte for byte", arguments: ["vhost-user=on", "vhost-user=off"])
    func bothWays(mode: String) throws {
        try withGround(as: .mapped) { ground in
            let peer = try ground.namespace.start(["/usr/bin/python3", "-c", Self.peer])
            try peer.wait(for: "listening")
            let script = "ramp check \(gateway) 9020 && ramp send -n 3000000 \(gateway) 9021"
            let netemu = try ground.start(
                ["-nic", "passt,model=virtio,\(mode),path={passt}", "-guest", "node,run=\(script)"])
            #expect(try netemu.wait(seconds: 60) == .exited(0), "\(netemu.transcript)")
            #expect(
                netemu.output.contains("received 4000000 bytes in ") && netemu.output.contains("sent 3000000 bytes in ")
            )
            try peer.wait(for: "heard 3000000 True")
        }
    }
}
