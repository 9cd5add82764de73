// The recipes of QEMU's manual (System Emulation, "Using passt as the user mode network stack"), each with the
// sentence that introduces it and its line as printed: `qemu-system-…` is netemu, `[...OPTIONS...]` is nothing.

import CLinux
import Glibc
import TestSupport
import Testing

@Suite("QEMU's recipes for passt", .serialized)
struct RecipeTests {
    /// A line of the manual and what `info network` shows there; `#` stands for a generated id, `@` for a pid.
    struct Recipe: CustomTestStringConvertible, Sendable {
        let sentence: String
        let line: String
        let info: [String]
        var testDescription: String { line }
    }

    static let builtIn: [Recipe] = [
        Recipe(
            sentence: "By default, passt will be started in the socket-based mode.", line: "-nic passt",
            info: [
                "e1000e.0: index=0,type=nic,model=e1000e,macaddr=52:54:00:12:34:56",
                " \\ #: index=0,type=passt,stream,connected to pid @",
            ]),
        Recipe(
            sentence: "By default, passt will be started in the socket-based mode.",
            line: "-net nic -net passt,tcp-ports=10001,udp-ports=10001",
            info: [
                "hub 0", " \\ hub0port1: #: index=0,type=passt,stream,connected to pid @",
                " \\ hub0port0: e1000e.0: index=0,type=nic,model=e1000e,macaddr=52:54:00:12:34:56",
            ]),
        Recipe(
            sentence: "By default, passt will be started in the socket-based mode.",
            line: "-netdev passt,id=netdev0 -device virtio-net,mac=9a:2b:2c:2d:2e:2f,id=virtio0,netdev=netdev0",
            info: [
                "virtio0: index=0,type=nic,model=virtio-net-pci,macaddr=9a:2b:2c:2d:2e:2f",
                " \\ netdev0: index=0,type=passt,stream,connected to pid @",
            ]),
        Recipe(
            sentence: "To use the vhost-based interface, add the vhost-user=on parameter",
            line: "-nic passt,model=virtio,vhost-user=on",
            info: [
                "virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56",
                " \\ #: index=0,type=passt,vhost-user,connected to pid @",
            ]),
    ]

    @Test("There is no need to start the daemon as QEMU will do it for you", arguments: builtIn)
    func started(recipe: Recipe) throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: recipe.line.split(separator: " ").map(String.init))
            try session.waitForLease()
            #expect(try Self.info(session) == recipe.info)
            try Self.checkTraffic(session)
            session.child.write("quit\n")
            #expect(try session.child.wait() == .exited(0))
            #expect(ground.leftovers == [])
        }
    }

    @Test("tcp-ports=10001: the host reaches the guest's port")
    func forwardedPort() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: ["-net", "nic", "-net", "passt,tcp-ports=10001,udp-ports=10001"])
            try session.waitForLease()
            session.console.write("nc -l 10001 > got\n")
            let words = "until exec 3<>/dev/tcp/127.0.0.1/10001; do sleep 0.1; done; echo hello >&3"
            let client = try ground.namespace.start(["/bin/bash", "-c", words])
            #expect(try client.wait() == .exited(0), "\(client.transcript)")
            #expect(eventually { read(ground.directory.path + "/got") == "hello\n" })
        }
    }

    @Test("Then you can connect your QEMU instance to passt")
    func stream() throws {
        try withGround(as: .mapped) { ground in
            let passt = try Self.startPasst(ground, ["--socket", "~/passt.socket"])
            let line =
                "-device virtio-net-pci,netdev=netdev0 "
                + "-netdev stream,id=netdev0,server=off,addr.type=unix,addr.path=~/passt.socket"
            let session = try ground.session(words: line.split(separator: " ").map(String.init))
            try session.waitForLease()
            #expect(
                try Self.info(session) == [
                    "virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56",
                    " \\ netdev0: index=0,type=stream,unix:\(ground.directory.path)/passt.socket",
                ])
            try Self.checkTraffic(session)
            passt.end()
            // QEMU keeps the text; here the truth is told, and the card has no carrier.
            #expect(try eventually { try session.backEnd().hasSuffix("/passt.socket,disconnected") })
            #expect(try session.run("ip addr").output.contains("NO-CARRIER"))
        }
    }

    @Test("A hand-started passt that dies is found again with reconnect-ms")
    func reconnecting() throws {
        try withGround(as: .mapped) { ground in
            let line =
                "-device virtio-net-pci,netdev=netdev0 "
                + "-netdev stream,id=netdev0,reconnect-ms=50,addr.type=unix,addr.path=~/passt.socket"
            let session = try ground.session(words: line.split(separator: " ").map(String.init))
            #expect(try session.backEnd() == "netdev0: index=0,type=stream,connecting")
            for _ in 0..<2 {
                let passt = try Self.startPasst(ground, ["--socket", "~/passt.socket"])
                try session.waitForLease()
                try Self.checkTraffic(session)
                passt.end()
                #expect(try eventually { try session.backEnd() == "netdev0: index=0,type=stream,connecting" })
            }
        }
    }

    @Test("Start passt with --vhost-user, then to connect QEMU", arguments: [false, true])
    func vhostUser(isReconnecting: Bool) throws {
        try withGround(as: .mapped) { ground in
            let size = "256M"
            let options = isReconnecting ? ",reconnect-ms=50" : ""
            let line =
                "-m \(size) -chardev socket,id=chr0,path=~/passt.socket\(options) "
                + "-netdev vhost-user,id=netdev0,chardev=chr0 -device virtio-net,netdev=netdev0 "
                + "-object memory-backend-memfd,id=memfd0,share=on,size=\(size) -numa node,memdev=memfd0"
            let words = line.split(separator: " ").map(String.init)
            let passt = try Self.startPasst(ground, ["--vhost-user", "--socket", "~/passt.socket"])
            let session = try ground.session(words: words)
            try session.waitForLease()
            #expect(
                try Self.info(session) == [
                    "virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56",
                    " \\ netdev0: index=0,type=vhost-user,vhost-user0 to chr0",
                ])
            try Self.checkTraffic(session)
            passt.end()
            #expect(try eventually { try session.backEnd().hasSuffix("vhost-user0 to chr0,disconnected") })
            guard isReconnecting else { return }
            let next = try Self.startPasst(ground, ["--vhost-user", "--socket", "~/passt.socket"])
            #expect(try eventually { try session.backEnd().hasSuffix("vhost-user0 to chr0") })
            try session.waitForLease()
            try Self.checkTraffic(session)
            next.end()
        }
    }

    @Test("The other socket role: netemu listens and the back-end connects, again after it has gone")
    func vhostUserServer() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path
            let line =
                "-chardev socket,id=chr0,path=\(path)/front,server=on,wait=off "
                + "-netdev vhost-user,id=netdev0,chardev=chr0 -device virtio-net,netdev=netdev0"
            let session = try ground.session(words: line.split(separator: " ").map(String.init))
            #expect(try session.backEnd() == "netdev0: index=0,type=vhost-user,vhost-user0 to chr0,disconnected")
            #expect(
                try session.monitor("info chardev").contains(
                    "chr0: filename=disconnected:unix:\(path)/front,server=on\n"))
            for _ in 0..<2 {
                let passt = try Self.startPasst(ground, ["--vhost-user", "--socket", "~/passt.socket"])
                let relay = try VhostUserRelay(path + "/front", path + "/passt.socket")
                #expect(try eventually { try session.backEnd().hasSuffix("vhost-user0 to chr0") })
                try session.waitForLease()
                try Self.checkTraffic(session)
                relay.end()
                passt.end()
                #expect(try eventually { try session.backEnd().hasSuffix("chr0,disconnected") })
            }
        }
    }

    @Test("A client that speaks no vhost-user does no harm: the start goes on waiting for one that does")
    func nonsenseClient() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path
            let child = try ground.start([
                "-chardev", "socket,id=chr0,path=\(path)/front,server=on", "-netdev",
                "vhost-user,id=netdev0,chardev=chr0", "-device", "virtio-net,netdev=netdev0", "-guest",
                "node,run=ping -c 1 -W 2 \(gateway)",
            ])
            try child.wait(for: "info: netemu waiting for connection on: disconnected:unix:\(path)/front,server=on")
            for nonsense in ["", "\u{0}", String(repeating: "x", count: 5000)] {
                let client = try UnixClient(path: path + "/front")
                client.write(nonsense)
            }
            let passt = try Self.startPasst(ground, ["--vhost-user", "--socket", "~/passt.socket"])
            let relay = try VhostUserRelay(path + "/front", path + "/passt.socket")
            #expect(try child.wait(seconds: 20) == .exited(0), "\(child.transcript)")
            relay.end()
            passt.end()
        }
    }

    // MARK: parts

    /// `info network` with generated ids and pids taken out.
    private static func info(_ session: Session) throws -> [String] {
        try session.monitor("info network").split(separator: "\n").dropFirst().map { line in
            String(line).replacing(/#net[0-9]{3,}/, with: "#").replacing(/pid [0-9]+/, with: "pid @")
        }
    }

    private static func checkTraffic(_ session: Session) throws {
        let ping = try session.run("ping -c 1 -W 2 \(gateway)")
        #expect(ping.status == 0, "\(ping.output)\n\(session.child.transcript)")
        let got = try session.run("curl -sSf --sha256 -o /dev/null http://\(gateway):8080/bytes/3000000")
        #expect(got.status == 0, "\(got.output)")
    }

    /// A passt started by hand, in the foreground, whose `~/` is the test's directory; waits for its socket.
    private static func startPasst(_ ground: Ground, _ arguments: [String]) throws -> Child {
        let words = arguments.map { $0.hasPrefix("~/") ? ground.directory.path + $0.dropFirst() : $0 }
        unlink(ground.directory.path + "/passt.socket")
        let child = try ground.namespace.start([ground.passt, "-f", "--runas", "0"] + words)
        try child.wait(for: "You can")
        return child
    }
}

/// A file's text; empty when it is not there.
private func read(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
}

/// Waits up to twenty seconds for something that takes its time.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<2000 {
        if try condition() { return true }
        usleep(10_000)
    }
    return try condition()
}
