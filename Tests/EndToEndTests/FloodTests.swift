// SYNs from addresses where nobody is, on a real wire: the node is on a hub with strangers that read nothing and with a
// Linux kernel (a tap) that is honest. The other ends are Tests/Programs/wire/wire.py. What TCP itself does then is
// Tests/NetStackTests/TCP/TCPFloodTests.

import Glibc
import TestSupport
import Testing

@Suite(
    "a flood of SYNs on the wire", .serialized,
    .enabled(if: access("/dev/net/tun", R_OK | W_OK) == 0, "/dev/net/tun is missing"))
struct FloodTests {
    /// A node whose `nc` sends this much to whoever connects, the kernel beside it, and who else is on the hub.
    private struct Wire {
        static let size = 100_000
        let session: Session
        let strangers: Child
        private let ground: Ground
        private let kernel: Child

        init(_ ground: Ground) throws {
            self.ground = ground
            func netdev(_ id: String) -> [String] {
                let path = "addr.type=unix,addr.path=\(ground.directory.path)/\(id)"
                let port = "hubport,id=\(id)-port,hubid=0,netdev=\(id)"
                return ["-netdev", "stream,id=\(id),server=on,\(path)", "-netdev", port]
            }
            session = try ground.session(
                words: netdev("kernel") + netdev("strangers")
                    + ["-netdev", "hubport,id=node,hubid=0", "-device", "virtio-net-pci,netdev=node"])
            kernel = try Self.end(["kernel", "\(ground.directory.path)/kernel"], ground)
            strangers = try Self.end(["strangers", "\(ground.directory.path)/strangers", "20000"], ground)
            try kernel.wait(for: "ready")
            let session = session
            #expect(try eventually { try session.run("ip addr").output.contains(" 192.0.2.2/24 ") })
            session.console.write("nc -l -k --send-bytes \(Self.size) 80\n")
        }

        private static func end(_ words: [String], _ ground: Ground) throws -> Child {
            let program = Peers.packageRoot + "/Tests/Programs/wire/wire.py"
            return try ground.namespace.start(["/usr/bin/python3", program] + words, input: .pipe)
        }

        /// The kernel's own connections, one after the other; each gets all that the node sends.
        func greet(_ count: Int) throws {
            let honest = try Self.end(["greet", "\(count)", "\(Self.size)"], ground)
            #expect(try honest.wait(seconds: 300) == .exited(0), "\(honest.transcript)\n\(kernel.transcript)")
        }

        /// Waits until the strangers have sent what they were to send, and more for as long as this took.
        func endFlood() throws {
            strangers.closeInput()
            #expect(try strangers.wait(seconds: 300) == .exited(0), "\(strangers.transcript)")
        }

        /// Memory of netemu's own (not the guest's, which is a file), in KiB.
        func memory() throws -> Int {
            let lines = (textOfFile("/proc/\(session.child.pid)/status") ?? "").split(separator: "\n")
            let line = try #require(lines.first { $0.hasPrefix("RssAnon:") })
            return try #require(line.split(separator: " ").dropLast().last.flatMap { Int($0.filter(\.isNumber)) })
        }
    }

    @Test("twenty times an honest kernel connects meanwhile, and every time it gets what it came for")
    func honest() throws {
        try withGround(as: .mapped) { ground in
            let wire = try Wire(ground)
            try wire.strangers.wait(for: "ready")
            try wire.greet(20)
            try wire.endFlood()
            let told = try #require(wire.strangers.output.split(separator: " ").dropFirst().first.flatMap { Int($0) })
            #expect(told >= 20_000, "\(wire.strangers.transcript)")
            #expect(try wire.session.monitor("info status").contains("VM status: running"))
        }
    }

    @Test("netemu's memory does not grow with it")
    func memory() throws {
        try withGround(as: .mapped) { ground in
            let wire = try Wire(ground)
            try wire.strangers.wait(for: "ready")
            try wire.greet(2)
            let before = try wire.memory()
            try wire.endFlood()
            try wire.greet(2)
            let after = try wire.memory()
            #expect(after < before + 1024, "\(before) KiB before, \(after) KiB after")
        }
    }
}
