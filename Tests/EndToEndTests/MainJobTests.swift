// The main job: netemu starts passt, the node gets its address, pings, and moves 100 MiB both ways, whoever runs it.

import Glibc
import TestSupport
import Testing

/// Bytes of the transfers that must come through whole.
private let hundredMebibytes = 104_857_600

/// The digest in a line such as `sink: 100 bytes, sha256 HEX` or `received 100 bytes sha256 HEX`.
private func digest(after words: String, in text: String) -> Substring? {
    guard let line = text.split(whereSeparator: \.isNewline).first(where: { $0.contains(words) }) else { return nil }
    return line.split(separator: " ").last
}

@Suite("the main job on real passt", .serialized)
struct MainJobTests {
    @Test(
        "lease, ping, name, 100 MiB down and up with equal digests, status 0, nothing left",
        arguments: Privilege.available)
    func mainJob(privilege: Privilege) throws {
        try withGround(as: privilege) { ground in
            let size = hundredMebibytes
            let script = """
                ip addr && ping -c 3 -i 0.1 \(gateway) \
                && curl -sSf --sha256 -o got \(url(size)) && nc --sha256 --send-bytes \(size) \(gateway) 9000
                """
            let netemu = try ground.start(
                ["-nic", "passt,model=virtio,vhost-user=on,path={passt}", "-guest", "node,run=\(escaped(script))"])
            #expect(try netemu.wait(seconds: 60) == .exited(0), "\(netemu.transcript)")

            #expect(netemu.output.contains("inet \(NamespaceAddress.host4)/24"))
            #expect(netemu.output.contains("3 packets transmitted, 3 received, 0% packet loss"))
            try ground.peer.wait(for: "sink:")
            let peer = ground.peer.output
            let down = try #require(digest(after: "source: \(size) bytes", in: peer))
            let up = try #require(digest(after: "sink: \(size) bytes", in: peer))
            let said = netemu.output + netemu.errors
            #expect(said.contains("\(size) bytes sha256 \(down)"))
            #expect(said.contains("sent \(size) bytes sha256 \(up)"))
            var info = stat()
            #expect(stat(ground.directory.path + "/got", &info) == 0 && info.st_size == size)

            #expect(ground.leftovers == [])
            ground.peer.end()
            #expect(ground.namespace.isEmpty(within: 20), "\(ground.namespace.processes)")
        }
    }

    @Test("info network says what QEMU says, and set_link pulls the cable")
    func monitor() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session()
            try session.waitForLease()
            let info = try session.monitor("info network")
            #expect(
                info.contains("virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56"))
            let pid = try #require(try session.passtPID())
            #expect(info.contains("index=0,type=passt,vhost-user,connected to pid \(pid)"))

            _ = try session.monitor("set_link virtio-net-pci.0 off")
            #expect(try session.run("ping -c 1 -W 0.5 \(gateway)").status != 0)
            _ = try session.monitor("set_link virtio-net-pci.0 on")
            try session.waitForLease()
            #expect(try session.run("ping -c 1 -W 3 \(gateway)").status == 0)

            session.child.write("quit\n")
            #expect(try session.child.wait() == .exited(0))
            #expect(ground.leftovers == [])
        }
    }

    @Test("two netemus at once in one namespace do not disturb each other")
    func twoAtOnce() throws {
        try withGround(as: .mapped) { ground in
            let script = "ping -c 3 -i 0.1 \(gateway) && curl -sSf --sha256 -o /dev/null \(url(20_000_000))"
            let arguments = ["-nic", "passt,model=virtio,vhost-user=on,path={passt}", "-guest", "node,run=\(script)"]
            let first = try ground.start(arguments)
            let second = try ground.start(arguments)
            #expect(try first.wait(seconds: 60) == .exited(0), "\(first.transcript)")
            #expect(try second.wait(seconds: 60) == .exited(0), "\(second.transcript)")
            #expect(ground.leftovers == [])
        }
    }

    @Test("SIGTERM ends netemu and passt within two seconds")
    func termination() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session()
            try session.waitForLease()
            let passt = try #require(try session.passtPID())
            session.child.signal(SIGTERM)
            #expect(try session.child.wait() == .exited(0))
            #expect(kill(passt, 0) != 0)
            #expect(ground.leftovers == [])
        }
    }

    private func url(_ bytes: Int) -> String { "http://\(gateway):8080/bytes/\(bytes)" }

    /// A comma inside a value is written twice.
    private func escaped(_ value: String) -> String {
        value.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
    }
}
