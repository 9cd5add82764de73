// A real passt in vhost-user mode on a hub, with the node and a stream beside it: netemu drives its rings.

import Glibc
import TestSupport
import Testing

@Suite("a back-end on rings on a hub", .serialized)
struct RingHubTests {
    private static let hub = [
        "-netdev", "passt,id=p,vhost-user=on,path={passt}", "-netdev", "hubport,id=hp,hubid=0,netdev=p", "-netdev",
        "hubport,id=hd,hubid=0", "-device", "virtio-net-pci,netdev=hd,id=d0",
    ]

    /// The pid of the passt that `info network` says is connected.
    private func pid(of name: String, in session: Session) throws -> pid_t? {
        let line = try session.monitor("info network").split(whereSeparator: \.isNewline).first {
            $0.contains("\(name): ")
        }
        guard let line, line.contains("vhost-user,connected to pid ") else { return nil }
        return line.split(separator: " ").last.flatMap { pid_t($0) }
    }

    private func answer(_ session: Session, _ command: String) throws -> [Substring] {
        Array(try session.monitor(command, seconds: 20).split(whereSeparator: \.isNewline).dropFirst())
    }

    private func checkTransfer(_ session: Session, _ count: Int = 20_000_000) throws {
        let done = try session.run("curl -sSf --sha256 -o /dev/null http://\(gateway):8080/bytes/\(count)", seconds: 60)
        #expect(done.status == 0, "\(done.output)")
    }

    @Test("a node behind a hub gets its lease and a transfer; a passt that dies is replaced", arguments: [false, true])
    func replaced(isConfined: Bool) throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path
            let stream = "stream,id=s,server=on,addr.type=unix,addr.path=\(path)/s"
            let session = try ground.session(
                words: Self.hub + ["-netdev", stream, "-netdev", "hubport,id=hs,hubid=0,netdev=s"]
                    + (isConfined ? ["-sandbox", "on"] : []))
            try session.waitForLease()
            try checkTransfer(session)
            // The other port hears what the hub carries.
            let listener = try UnixClient(path: path + "/s")
            #expect(try eventually { try session.monitor("info network").contains("s: index=0,type=stream,unix:") })
            for _ in 0..<2 {
                let first = try #require(try pid(of: "p", in: session))
                kill(first, SIGKILL)
                #expect(try eventually { try pid(of: "p", in: session).map { $0 != first } ?? false })
                #expect(try session.run("ping -c 2 -W 5 \(gateway)").status == 0)
                try checkTransfer(session, 1_000_000)
            }
            let stats = try answer(session, "info stats p")
            #expect(stats.count == 2 && !stats[0].contains("frames=0,") && !stats[1].contains("frames=0,"), "\(stats)")
            withExtendedLifetime(listener) {}
            session.child.write("quit\n")
            #expect(try session.child.wait(seconds: 20) == .exited(0), "\(session.child.transcript)")
            #expect(eventually { ground.leftovers == [] })
        }
    }

    @Test("set_link, captures, and hubs that it leaves for a card and comes back to")
    func monitor() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: Self.hub + ["-sandbox", "on"])
            try session.waitForLease()
            let capture = ground.directory.path + "/c.pcap"
            #expect(try answer(session, "object_add filter-dump,id=f,netdev=p,file=\(capture)") == [])
            #expect(try session.run("ping -c 1 \(gateway)").status == 0)
            #expect(try answer(session, "set_link p off") == [])
            #expect(try session.run("ping -c 1 -W 1 \(gateway)").status == 1)
            #expect(try answer(session, "set_link p on") == [])
            #expect(try session.run("ping -c 1 -W 5 \(gateway)").status == 0)
            var status = stat()
            #expect(stat(capture, &status) == 0 && status.st_size > 24 + 4 * 100)
            for round in 0..<2 {
                #expect(try answer(session, "netdev_del hp") == [])
                #expect(try answer(session, "object_del f") == ["Error: object 'f' not found"])
                #expect(try session.run("ping -c 1 -W 1 \(gateway)").status == 1)
                // The same passt serves a card.
                #expect(
                    try answer(session, "device_add virtio-net-pci,netdev=p,id=d1,mac=52:54:00:00:00:7\(round)") == [])
                #expect(try eventually { try session.run("ip addr").output.contains("eth1") })
                #expect(
                    try eventually { try session.run("ip addr").output.components(of: NamespaceAddress.host4) >= 2 })
                #expect(try answer(session, "device_del d1") == [])
                #expect(try eventually { try !session.monitor("info network").contains("d1: ") })
                #expect(try answer(session, "netdev_add hubport,id=hp,hubid=0,netdev=p") == [])
                #expect(try session.run("ping -c 3 -W 5 \(gateway)").status == 0)
                try checkTransfer(session, 1_000_000)
            }
            // Whoever leaves is still at it when the next one comes.
            session.child.write("netdev_del hp\ndevice_add virtio-net-pci,netdev=p,id=d1,mac=52:54:00:00:00:79\n")
            #expect(try eventually { try session.run("ip addr").output.components(of: NamespaceAddress.host4) >= 2 })
            session.child.write("device_del d1\n")
            #expect(try eventually { try !session.monitor("info network").contains("d1: ") })
            session.child.write("netdev_add hubport,id=hp,hubid=0,netdev=p\n")
            #expect(try eventually { try session.run("ping -c 1 -W 5 \(gateway)").status == 0 })
            session.child.write("netdev_del hp\nnetdev_add hubport,id=hp,hubid=0,netdev=p\n")
            #expect(try eventually { try session.run("ping -c 1 -W 5 \(gateway)").status == 0 })
            #expect(try answer(session, "netdev_del p") == [])
            #expect(try session.run("ping -c 1 -W 1 \(gateway)").status == 1)
            #expect(try answer(session, "netdev_add passt,id=q,vhost-user=on,path=\(ground.passt)") == [])
            #expect(try answer(session, "netdev_add hubport,id=hq,hubid=0,netdev=q") == [])
            try session.waitForLease()
            #expect(try session.run("ping -c 3 -W 5 \(gateway)").status == 0)
        }
    }

    @Test("the old way, and private guest memory: -net nic with -net passt,vhost-user=on")
    func legacy() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(
                words: [
                    "-net", "nic", "-net", "passt,vhost-user=on,path={passt}", "-object",
                    "memory-backend-ram,id=m,size=64M", "-machine", "memory-backend=m",
                ])
            try session.waitForLease()
            try checkTransfer(session)
            _ = try session.monitor("system_reset")
            #expect(
                eventually {
                    (try? session.run("ip addr", seconds: 1))?.output.contains(" \(NamespaceAddress.host4)/24") == true
                })
            #expect(try session.run("ping -c 1 -W 5 \(gateway)").status == 0)
        }
    }

    @Test("a passt started by hand, behind a character device that connects again")
    func vhostUser() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/passt.socket"
            func start() throws -> Child {
                unlink(path)
                let child = try ground.namespace.start(
                    [ground.passt, "-f", "--runas", "0", "--vhost-user", "-s", path])
                try child.wait(for: "You can")
                return child
            }
            var passt = try start()
            let session = try ground.session(
                words: [
                    "-chardev", "socket,id=c,path=\(path),reconnect-ms=50", "-netdev", "vhost-user,id=v,chardev=c",
                    "-netdev", "hubport,id=hv,hubid=7,netdev=v", "-nic", "hubport,hubid=7,model=virtio",
                ])
            for round in 0..<2 {
                try session.waitForLease()
                #expect(try session.run("ping -c 3 -W 5 \(gateway)").status == 0)
                try checkTransfer(session, 1_000_000)
                guard round == 0 else { break }
                passt.end()
                #expect(
                    try eventually { try session.monitor("info network").contains("vhost-user0 to c,disconnected") })
                passt = try start()
                #expect(try eventually { try !session.monitor("info network").contains("disconnected") })
            }
        }
    }
}

extension String {
    /// How often `text` is in it.
    fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
