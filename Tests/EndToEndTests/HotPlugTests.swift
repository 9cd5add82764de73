// Cards and back-ends that come and go while netemu runs, with real passt.

import Glibc
import TestSupport
import Testing

@Suite("hot-plug on real passt", .serialized)
struct HotPlugTests {
    @Test("a card and its passt leave and others come; the node gets its lease again")
    func comeAndGo() throws {
        try withGround(as: .mapped) { ground in
            let passt = ground.passt
            let session = try ground.session(",id=n0")
            try session.waitForLease()
            let first = try #require(try session.passtPID())
            #expect(try session.answer("device_del virtio-net-pci.0") == [])
            let alone = "n0: index=0,type=passt,vhost-user,connected to pid \(first)"
            #expect(try eventually { try session.answer("info network") == [Substring(alone)] })
            #expect(try !session.run("ip addr").output.contains("eth0"))
            #expect(try session.answer("netdev_del n0") == [])
            #expect(try session.answer("info network") == [])
            #expect(eventually { kill(first, 0) != 0 })

            let add = "netdev_add passt,id=n1,vhost-user=on,path=\(passt)"
            #expect(try session.answer(add) == [])
            let card = "device_add virtio-net-pci,netdev=n1,id=d1,mac=52:54:00:12:34:99"
            #expect(try session.answer(card) == [])
            try session.waitForLease()
            #expect(try session.run("ping -c 1 \(gateway)").status == 0)
            let info = try session.monitor("info network")
            #expect(info.contains("\nd1: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:99\n \\ n1: "))
        }
    }

    @Test("200 cards and back-ends come and go beside a transfer that loses nothing")
    func cycles() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/monitor"
            let session = try ground.session(more: ["-monitor", "unix:\(path),server=on,wait=off"])
            let monitor = try UnixClient(path: path)
            _ = try monitor.ask("info status", until: "VM status: running\n(netemu) ")
            func ask(_ command: String) throws -> String { try monitor.ask(command, until: "\n(netemu) ") }
            try session.waitForLease()
            let size = 150_000_000
            session.console.write("curl -sf --sha256 -o /dev/null http://\(gateway):8080/bytes/\(size); echo done=$?\n")
            for cycle in 0..<200 {
                let passt = "passt,id=n\(cycle),vhost-user=\(cycle % 20 == 0 ? "on" : "off"),path=\(ground.passt)"
                let netdev = cycle % 10 == 0 ? passt : "hubport,id=n\(cycle),hubid=1"
                // In either order; the card of a back-end that has gone stays until the guest lets go of it.
                let words = ["netdev_del n\(cycle)", "device_del d\(cycle)"]
                let added = ["netdev_add \(netdev)", "device_add virtio-net-pci,netdev=n\(cycle),id=d\(cycle)"]
                for command in added + (cycle % 2 == 0 ? words : words.reversed()) {
                    let answer = try ask(command)
                    #expect(!answer.contains("Error"), "\(answer)")
                }
                #expect(try eventually { try !ask("info network").contains("n\(cycle): ") }, "cycle \(cycle)")
            }
            try ground.peer.wait(for: "source: \(size) bytes", seconds: 60)
            let sent = ground.peer.output.split(separator: "\n").first { $0.contains("source: \(size) bytes") }
            let digest = try #require(sent?.split(separator: " ").last)
            _ = try session.console.ask("", until: "done=0", seconds: 60)
            #expect(session.console.text.contains("\(size) bytes sha256 \(digest)"))
            let addresses = try session.run("ip addr").output
            #expect(addresses.contains("eth0") && !addresses.contains("eth1"))
        }
    }

    @Test("-S: nothing starts before cont")
    func stoppedStart() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(more: ["-S"])
            #expect(try session.answer("info status") == ["VM status: paused (prelaunch)"])
            #expect(try session.answer("cont") == [])
            #expect(try session.answer("info status") == ["VM status: running"])
            try session.waitForLease()
        }
    }

    @Test("several monitors, on unix and telnet sockets, see the same machine")
    func monitors() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path
            let session = try ground.session(
                more: [
                    "-monitor", "unix:\(path)/m1,server=on,wait=off", "-chardev",
                    "socket,id=c2,path=\(path)/m2,server=on,wait=off", "-mon", "c2", "-monitor",
                    "telnet:127.0.0.1:4555,server=on,wait=off", "-netdev", "passt,id=spare,path=\(ground.passt)",
                ])
            let first = try UnixClient(path: path + "/m1")
            let second = try UnixClient(path: path + "/m2")
            #expect(try first.ask("info status", until: "VM status: running").contains("netemu 0.1.0 monitor"))
            _ = try second.ask("set_link virtio-net-pci.0 off", until: "(netemu) ")
            #expect(try session.answer("info chardev").count == 5)
            let telnet = try ground.namespace.start(
                ["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/4555; printf 'info name\\r\\n' >&3; timeout 2 cat <&3"])
            try telnet.wait(for: "(netemu) ")
            #expect(telnet.output.contains("netemu 0.1.0 monitor"))
        }
    }

    @Test("a passt that fails is told to the monitor that asked, and nothing of it stays")
    func failingAdd() throws {
        try withGround(as: .mapped) { ground in
            let passt = ground.passt
            let session = try ground.session()
            let add = "netdev_add passt,id=n1,vhost-user=on,path=\(passt),tcp-ports=nonsense"
            let answer = try session.monitor(add)
            #expect(answer.contains("\nError: "), "\(answer)")
            #expect(try !session.monitor("info network").contains("n1:"))
            let other = try session.monitor("netdev_add passt,id=n2,vhost-user=on,path=/bin/true")
            #expect(other.contains("Error: "), "\(other)")
            #expect(
                try session.monitor("netdev_add passt,id=2").contains("netemu: Parameter 'id' expects an identifier"))
            #expect(try session.monitor("device_add virtio-net-pci,netdev=nope").contains("can't find value 'nope'"))
            try session.waitForLease()
        }
    }

    @Test("stop, cont and system_reset: the guest stands still, goes on, starts anew")
    func runStates() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session()
            try session.waitForLease()
            _ = try session.monitor("stop")
            #expect(try session.monitor("info status").contains("VM status: paused\n"))
            _ = try session.monitor("cont")
            #expect(try session.run("ping -c 1 \(gateway)").status == 0)
            _ = try session.monitor("system_reset")
            // What is typed while the node starts anew is lost, as on any machine: the question is put again.
            #expect(
                eventually {
                    let addresses = try? session.run("ip addr", seconds: 1)
                    return addresses?.output.contains(" \(NamespaceAddress.host4)/24") == true
                })
            #expect(try session.run("ping -c 1 \(gateway)").status == 0)
        }
    }
}

extension Session {
    /// The lines of an answer.
    fileprivate func answer(_ command: String) throws -> [Substring] {
        Array(try monitor(command).split(whereSeparator: \.isNewline).dropFirst())
    }
}
